CREATE TABLE fd_whatsapp_aggregate (
	digest VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	starts_at DATETIME(6) NOT NULL, 
	ends_at DATETIME(6) NOT NULL, 
	account VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	campaign VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	template VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	code VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	counts MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	figures MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_aggregate PRIMARY KEY (digest)
);
CREATE INDEX ix_fd_whatsapp_aggregate_starts_at ON fd_whatsapp_aggregate (starts_at);
CREATE TABLE fd_whatsapp_compatibility (
	oldest_revision VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_compatibility PRIMARY KEY (oldest_revision)
);
CREATE TABLE fd_whatsapp_drift (
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	kind VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	place VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	found VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	count INTEGER NOT NULL, 
	first_seen DATETIME(6) NOT NULL, 
	last_seen DATETIME(6) NOT NULL, 
	example VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	CONSTRAINT pk_fd_whatsapp_drift PRIMARY KEY (receiver, kind, place, found)
);
CREATE TABLE fd_whatsapp_duplicate (
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	hour DATETIME(6) NOT NULL, 
	count INTEGER NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_duplicate PRIMARY KEY (receiver, hour)
);
CREATE TABLE fd_whatsapp_forgotten (
	digest BINARY(16) NOT NULL, 
	day DATE NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_forgotten PRIMARY KEY (digest)
);
CREATE INDEX ix_fd_whatsapp_forgotten_day ON fd_whatsapp_forgotten (day);
CREATE TABLE fd_whatsapp_message (
	id BIGINT NOT NULL AUTO_INCREMENT, 
	account_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	message_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	external_reference_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	campaign VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	status_rank SMALLINT, 
	previous_status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	queued_at DATETIME(6), 
	sent_at DATETIME(6), 
	delivered_at DATETIME(6), 
	read_at DATETIME(6), 
	failed_at DATETIME(6), 
	error_code MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	error_message MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	first_seen DATETIME(6) NOT NULL, 
	last_seen DATETIME(6) NOT NULL, 
	claim_token VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	claim_until DATETIME(6), 
	reference_text MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	claimed_at DATETIME(6), 
	claimed_status VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	template VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	language VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	expected_at DATETIME(6), 
	ask_at DATETIME(6), 
	asks INTEGER, 
	not_found INTEGER, 
	estimated SMALLINT, 
	sent_on DATETIME(6), 
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	is_returned BOOL, 
	CONSTRAINT pk_fd_whatsapp_message PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_message_account_id_message_id UNIQUE (account_id, message_id)
);
CREATE INDEX ix_fd_whatsapp_message_campaign_first_seen ON fd_whatsapp_message (campaign, first_seen);
CREATE INDEX ix_fd_whatsapp_message_campaign_sent_on ON fd_whatsapp_message (campaign, sent_on);
CREATE INDEX ix_fd_whatsapp_message_external_reference_id ON fd_whatsapp_message (external_reference_id);
CREATE INDEX ix_fd_whatsapp_message_first_seen ON fd_whatsapp_message (first_seen);
CREATE INDEX ix_fd_whatsapp_message_message_id ON fd_whatsapp_message (message_id);
CREATE INDEX ix_fd_whatsapp_message_receiver_first_seen ON fd_whatsapp_message (receiver, first_seen);
CREATE INDEX ix_fd_whatsapp_message_sent_on ON fd_whatsapp_message (sent_on);
CREATE TABLE fd_whatsapp_quarantine (
	id BIGINT NOT NULL AUTO_INCREMENT, 
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	digest VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	is_ignored BOOL NOT NULL, 
	reason VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	detail MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	`body` MEDIUMBLOB NOT NULL, 
	headers MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	first_seen DATETIME(6) NOT NULL, 
	last_seen DATETIME(6) NOT NULL, 
	count INTEGER NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_quarantine PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_quarantine_receiver_digest UNIQUE (receiver, digest)
);
CREATE INDEX ix_fd_whatsapp_quarantine_receiver_is_ignored_last_seen ON fd_whatsapp_quarantine (receiver, is_ignored, last_seen);
CREATE TABLE fd_whatsapp_rate (
	name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	tat DATETIME(6), 
	paused_until DATETIME(6), 
	CONSTRAINT pk_fd_whatsapp_rate PRIMARY KEY (name)
);
CREATE TABLE fd_whatsapp_reconciliation (
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	ended_at DATETIME(6) NOT NULL, 
	asked INTEGER NOT NULL, 
	changed INTEGER NOT NULL, 
	stopped MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	good_at DATETIME(6), 
	CONSTRAINT pk_fd_whatsapp_reconciliation PRIMARY KEY (receiver)
);
CREATE TABLE fd_whatsapp_rejection (
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	reason VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	status_code SMALLINT NOT NULL, 
	detail MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	last_seen DATETIME(6) NOT NULL, 
	acknowledged_at DATETIME(6), 
	count INTEGER, 
	first_seen DATETIME(6), 
	CONSTRAINT pk_fd_whatsapp_rejection PRIMARY KEY (receiver, reason)
);
CREATE TABLE fd_whatsapp_replay (
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	handler VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	token VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	held_until DATETIME(6) NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_replay PRIMARY KEY (receiver, handler)
);
CREATE TABLE fd_whatsapp_send (
	id BIGINT NOT NULL AUTO_INCREMENT, 
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	account VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	reference MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	reference_digest VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	once_key VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	campaign VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	template VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	language VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	state VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	message_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	error MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	created_at DATETIME(6) NOT NULL, 
	settled_at DATETIME(6), 
	CONSTRAINT pk_fd_whatsapp_send PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_send_receiver_once_key UNIQUE (receiver, once_key)
);
CREATE INDEX ix_fd_whatsapp_send_campaign_created_at ON fd_whatsapp_send (campaign, created_at);
CREATE INDEX ix_fd_whatsapp_send_message_id_created_at ON fd_whatsapp_send (message_id, created_at);
CREATE INDEX ix_fd_whatsapp_send_receiver_created_at ON fd_whatsapp_send (receiver, created_at);
CREATE INDEX ix_fd_whatsapp_send_reference_digest ON fd_whatsapp_send (reference_digest);
CREATE INDEX ix_fd_whatsapp_send_state_created_at ON fd_whatsapp_send (state, created_at);
CREATE TABLE fd_whatsapp_token_use (
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	header VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	`position` INTEGER NOT NULL, 
	last_used DATETIME(6) NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_token_use PRIMARY KEY (receiver, header, `position`)
);
CREATE TABLE fd_whatsapp_event (
	id BIGINT NOT NULL AUTO_INCREMENT, 
	message_key BIGINT NOT NULL, 
	status VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	timestamp DATETIME(6) NOT NULL, 
	received_at DATETIME(6) NOT NULL, 
	receiver VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	payload MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	headers MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	previous_status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	is_stale BOOL NOT NULL, 
	attempts INTEGER NOT NULL, 
	last_error MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	due_at DATETIME(6), 
	dead_at DATETIME(6), 
	revived_at DATETIME(6), 
	acknowledged_at DATETIME(6), 
	postponed INTEGER, 
	reserved_until DATETIME(6), 
	source VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, 
	CONSTRAINT pk_fd_whatsapp_event PRIMARY KEY (id), 
	CONSTRAINT uq_fd_whatsapp_event_message_key_status UNIQUE (message_key, status), 
	CONSTRAINT fk_fd_whatsapp_event_message_key FOREIGN KEY(message_key) REFERENCES fd_whatsapp_message (id) ON DELETE CASCADE
);
CREATE INDEX ix_fd_whatsapp_event_dead_at ON fd_whatsapp_event (dead_at);
CREATE INDEX ix_fd_whatsapp_event_due_at ON fd_whatsapp_event (due_at);
CREATE INDEX ix_fd_whatsapp_event_received_at ON fd_whatsapp_event (received_at);
CREATE INDEX ix_fd_whatsapp_event_receiver_received_at ON fd_whatsapp_event (receiver, received_at);
CREATE INDEX ix_fd_whatsapp_event_source ON fd_whatsapp_event (source);
CREATE TABLE fd_whatsapp_handler_error (
	event_id BIGINT NOT NULL, 
	handler VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	outcome VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	attempts INTEGER NOT NULL, 
	last_error MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	last_error_at DATETIME(6) NOT NULL, 
	CONSTRAINT pk_fd_whatsapp_handler_error PRIMARY KEY (event_id, handler), 
	CONSTRAINT fk_fd_whatsapp_handler_error_event_id FOREIGN KEY(event_id) REFERENCES fd_whatsapp_event (id) ON DELETE CASCADE
);
CREATE TABLE fd_whatsapp_handling (
	event_id BIGINT NOT NULL, 
	handler VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, 
	is_superseded BOOL NOT NULL, 
	handled_at DATETIME(6) NOT NULL, 
	gave_up BOOL, 
	CONSTRAINT pk_fd_whatsapp_handling PRIMARY KEY (event_id, handler), 
	CONSTRAINT fk_fd_whatsapp_handling_event_id FOREIGN KEY(event_id) REFERENCES fd_whatsapp_event (id) ON DELETE CASCADE
);
INSERT INTO fd_whatsapp_compatibility (oldest_revision) VALUES ('0003');
CREATE TABLE fd_whatsapp_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO fd_whatsapp_version (version_num) VALUES ('0014');
