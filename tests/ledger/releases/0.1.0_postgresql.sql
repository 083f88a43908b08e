CREATE TABLE fd_whatsapp_aggregate (
	digest VARCHAR(32) NOT NULL, 
	starts_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	ends_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	account VARCHAR(255) NOT NULL, 
	receiver VARCHAR(200) NOT NULL, 
	campaign VARCHAR(255) NOT NULL, 
	template VARCHAR(512) NOT NULL, 
	code VARCHAR(255) NOT NULL, 
	counts TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_aggregate PRIMARY KEY (digest)
);
CREATE INDEX ix_fd_whatsapp_aggregate_starts_at ON fd_whatsapp_aggregate (starts_at);
CREATE TABLE fd_whatsapp_compatibility (
	oldest_revision VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_compatibility PRIMARY KEY (oldest_revision)
);
CREATE TABLE fd_whatsapp_drift (
	receiver VARCHAR(200) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	place VARCHAR(128) NOT NULL, 
	found VARCHAR(64) NOT NULL, 
	count INTEGER NOT NULL, 
	first_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
	example VARCHAR(255), 
	CONSTRAINT pk_fd_whatsapp_drift PRIMARY KEY (receiver, kind, place, found)
);
CREATE TABLE fd_whatsapp_duplicate (
	receiver VARCHAR(200) NOT NULL, 
	hour TIMESTAMP WITH TIME ZONE NOT NULL, 
	count INTEGER NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_duplicate PRIMARY KEY (receiver, hour)
);
CREATE TABLE fd_whatsapp_forgotten (
	digest BYTEA NOT NULL, 
	day DATE NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_forgotten PRIMARY KEY (digest)
);
CREATE INDEX ix_fd_whatsapp_forgotten_day ON fd_whatsapp_forgotten (day);
CREATE TABLE fd_whatsapp_message (
	id BIGSERIAL NOT NULL, 
	account_id VARCHAR(255) NOT NULL, 
	message_id VARCHAR(255) NOT NULL, 
	external_reference_id VARCHAR(255), 
	campaign VARCHAR(255), 
	status VARCHAR(16), 
	status_rank SMALLINT, 
	previous_status VARCHAR(16), 
	queued_at TIMESTAMP WITH TIME ZONE, 
	sent_at TIMESTAMP WITH TIME ZONE, 
	delivered_at TIMESTAMP WITH TIME ZONE, 
	read_at TIMESTAMP WITH TIME ZONE, 
	failed_at TIMESTAMP WITH TIME ZONE, 
	error_code TEXT, 
	error_message TEXT, 
	first_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
	claim_token VARCHAR(32), 
	claim_until TIMESTAMP WITH TIME ZONE, 
	reference_text TEXT, 
	claimed_at TIMESTAMP WITH TIME ZONE, 
	claimed_status VARCHAR(255), 
	template VARCHAR(512), 
	language VARCHAR(32), 
	expected_at TIMESTAMP WITH TIME ZONE, 
	ask_at TIMESTAMP WITH TIME ZONE, 
	asks INTEGER, 
	not_found INTEGER, 
	estimated SMALLINT, 
	sent_on TIMESTAMP WITH TIME ZONE, 
	receiver VARCHAR(200), 
	is_returned BOOLEAN, 
	CONSTRAINT pk_fd_whatsapp_message PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_message_account_id_message_id UNIQUE (account_id, message_id)
);
CREATE INDEX ix_fd_whatsapp_message_campaign_first_seen ON fd_whatsapp_message (campaign, first_seen) WHERE campaign IS NOT NULL;
CREATE INDEX ix_fd_whatsapp_message_campaign_sent_on ON fd_whatsapp_message (campaign, sent_on) WHERE campaign IS NOT NULL;
CREATE INDEX ix_fd_whatsapp_message_external_reference_id ON fd_whatsapp_message (external_reference_id);
CREATE INDEX ix_fd_whatsapp_message_first_seen ON fd_whatsapp_message (first_seen);
CREATE INDEX ix_fd_whatsapp_message_message_id ON fd_whatsapp_message (message_id);
CREATE INDEX ix_fd_whatsapp_message_receiver_first_seen ON fd_whatsapp_message (receiver, first_seen) WHERE expected_at IS NOT NULL;
CREATE INDEX ix_fd_whatsapp_message_sent_on ON fd_whatsapp_message (sent_on);
CREATE TABLE fd_whatsapp_quarantine (
	id BIGSERIAL NOT NULL, 
	receiver VARCHAR(200) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	is_ignored BOOLEAN NOT NULL, 
	reason VARCHAR(32) NOT NULL, 
	detail TEXT NOT NULL, 
	body BYTEA NOT NULL, 
	headers TEXT NOT NULL, 
	first_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
	last_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
	count INTEGER NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_quarantine PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_quarantine_receiver_digest UNIQUE (receiver, digest)
);
CREATE INDEX ix_fd_whatsapp_quarantine_receiver_is_ignored_last_seen ON fd_whatsapp_quarantine (receiver, is_ignored, last_seen);
CREATE TABLE fd_whatsapp_rate (
	name VARCHAR(255) NOT NULL, 
	tat TIMESTAMP WITH TIME ZONE, 
	paused_until TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_fd_whatsapp_rate PRIMARY KEY (name)
);
CREATE TABLE fd_whatsapp_reconciliation (
	receiver VARCHAR(200) NOT NULL, 
	ended_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	asked INTEGER NOT NULL, 
	changed INTEGER NOT NULL, 
	stopped TEXT, 
	good_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_fd_whatsapp_reconciliation PRIMARY KEY (receiver)
);
CREATE TABLE fd_whatsapp_rejection (
	receiver VARCHAR(200) NOT NULL, 
	reason VARCHAR(32) NOT NULL, 
	status_code SMALLINT NOT NULL, 
	detail TEXT NOT NULL, 
	last_seen TIMESTAMP WITH TIME ZONE NOT NULL, 
	acknowledged_at TIMESTAMP WITH TIME ZONE, 
	count INTEGER, 
	first_seen TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_fd_whatsapp_rejection PRIMARY KEY (receiver, reason)
);
CREATE TABLE fd_whatsapp_replay (
	receiver VARCHAR(200) NOT NULL, 
	handler VARCHAR(255) NOT NULL, 
	token VARCHAR(32) NOT NULL, 
	held_until TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_replay PRIMARY KEY (receiver, handler)
);
CREATE TABLE fd_whatsapp_send (
	id BIGSERIAL NOT NULL, 
	receiver VARCHAR(200) NOT NULL, 
	account VARCHAR(255) NOT NULL, 
	reference TEXT NOT NULL, 
	reference_digest VARCHAR(64) NOT NULL, 
	once_key VARCHAR(64), 
	campaign VARCHAR(255), 
	template VARCHAR(512), 
	language VARCHAR(32), 
	state VARCHAR(16) NOT NULL, 
	message_id VARCHAR(255), 
	error TEXT, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	settled_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_fd_whatsapp_send PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_send_receiver_once_key UNIQUE (receiver, once_key)
);
CREATE INDEX ix_fd_whatsapp_send_campaign_created_at ON fd_whatsapp_send (campaign, created_at);
CREATE INDEX ix_fd_whatsapp_send_message_id_created_at ON fd_whatsapp_send (message_id, created_at);
CREATE INDEX ix_fd_whatsapp_send_receiver_created_at ON fd_whatsapp_send (receiver, created_at);
CREATE INDEX ix_fd_whatsapp_send_reference_digest ON fd_whatsapp_send (reference_digest);
CREATE INDEX ix_fd_whatsapp_send_state_created_at ON fd_whatsapp_send (state, created_at) WHERE settled_at IS NULL;
CREATE TABLE fd_whatsapp_token_use (
	receiver VARCHAR(200) NOT NULL, 
	header VARCHAR(255) NOT NULL, 
	position INTEGER NOT NULL, 
	last_used TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_token_use PRIMARY KEY (receiver, header, position)
);
CREATE TABLE fd_whatsapp_event (
	id BIGSERIAL NOT NULL, 
	message_key BIGINT NOT NULL, 
	status VARCHAR(255) NOT NULL, 
	timestamp TIMESTAMP WITH TIME ZONE NOT NULL, 
	received_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	receiver VARCHAR(200) NOT NULL, 
	payload TEXT NOT NULL, 
	headers TEXT NOT NULL, 
	previous_status VARCHAR(16), 
	is_stale BOOLEAN NOT NULL, 
	attempts INTEGER NOT NULL, 
	last_error TEXT, 
	due_at TIMESTAMP WITH TIME ZONE, 
	dead_at TIMESTAMP WITH TIME ZONE, 
	revived_at TIMESTAMP WITH TIME ZONE, 
	acknowledged_at TIMESTAMP WITH TIME ZONE, 
	postponed INTEGER, 
	reserved_until TIMESTAMP WITH TIME ZONE, 
	source VARCHAR(16), 
	CONSTRAINT pk_fd_whatsapp_event PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_event_message_key_status UNIQUE (message_key, status), 
	CONSTRAINT fk_fd_whatsapp_event_message_key FOREIGN KEY(message_key) REFERENCES fd_whatsapp_message (id) ON DELETE CASCADE
);
CREATE INDEX ix_fd_whatsapp_event_dead_at ON fd_whatsapp_event (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX ix_fd_whatsapp_event_due_at ON fd_whatsapp_event (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_fd_whatsapp_event_received_at ON fd_whatsapp_event (received_at);
CREATE INDEX ix_fd_whatsapp_event_receiver_received_at ON fd_whatsapp_event (receiver, received_at);
CREATE INDEX ix_fd_whatsapp_event_source ON fd_whatsapp_event (source) WHERE source IS NOT NULL;
CREATE TABLE fd_whatsapp_handler_error (
	event_id BIGINT NOT NULL, 
	handler VARCHAR(255) NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	last_error TEXT NOT NULL, 
	last_error_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_handler_error PRIMARY KEY (event_id, handler), 
	CONSTRAINT fk_fd_whatsapp_handler_error_event_id FOREIGN KEY(event_id) REFERENCES fd_whatsapp_event (id) ON DELETE CASCADE
);
CREATE TABLE fd_whatsapp_handling (
	event_id BIGINT NOT NULL, 
	handler VARCHAR(255) NOT NULL, 
	is_superseded BOOLEAN NOT NULL, 
	handled_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	gave_up BOOLEAN, 
	CONSTRAINT pk_fd_whatsapp_handling PRIMARY KEY (event_id, handler), 
	CONSTRAINT fk_fd_whatsapp_handling_event_id FOREIGN KEY(event_id) REFERENCES fd_whatsapp_event (id) ON DELETE CASCADE
);
INSERT INTO fd_whatsapp_compatibility (oldest_revision) VALUES ('0003');
CREATE TABLE fd_whatsapp_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO fd_whatsapp_version (version_num) VALUES ('0014');
