"""The pages: what became of the messages, in the browser.

.. code-block:: python

    from flask_fd_whatsapp.dashboard import Dashboard

    app.register_blueprint(Dashboard(guard=lambda: current_user.is_authenticated))
"""

from .dashboard import Dashboard

__all__ = ["Dashboard"]
