from flask_fd_whatsapp.sweep import sweep

from .host import create_app

app = create_app()
with app.app_context():
    print(sweep(app.extensions["fd_whatsapp"]["fd_whatsapp"]))
