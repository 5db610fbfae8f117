-- Who may do what: people, sessions, tokens, and who sold which license.

CREATE TABLE account (
    name   TEXT NOT NULL PRIMARY KEY,
    -- The account as a JSON record: docs/FORMAT.md, "Records".
    record TEXT NOT NULL
);

-- People who are signed in. The row goes when they sign out, or are to sign in anew.
CREATE TABLE session (
    -- The SHA-256 of the session's token.
    hash    BLOB   NOT NULL PRIMARY KEY,
    account TEXT   NOT NULL REFERENCES account (name),
    -- When it was last used, to the minute.
    seen    BIGINT NOT NULL,
    -- When it ends whatever happens.
    ends    BIGINT NOT NULL
);
CREATE INDEX session_of_account ON session (account);
CREATE INDEX session_by_end ON session (ends);

-- Tokens of programs and deployment keys of machines.
CREATE TABLE credential (
    -- The SHA-256 of its text, which is shown once.
    hash    BLOB   NOT NULL PRIMARY KEY,
    id      TEXT   NOT NULL UNIQUE,
    -- What it is for as a JSON record: docs/FORMAT.md, "Records".
    record  TEXT   NOT NULL,
    created BIGINT NOT NULL,
    -- When it was last used, to the minute; none if never.
    seen    BIGINT
);
CREATE INDEX credential_by_age ON credential (created, id);

-- Licenses that a reseller sold, and which account that was.
CREATE TABLE reseller_license (
    license_id TEXT NOT NULL PRIMARY KEY REFERENCES license (id),
    account    TEXT NOT NULL REFERENCES account (name)
);

-- What calls were answered, so that a call that is made again is answered the same. What opens an answer is made from
-- the caller's own secret, which is not here.
CREATE TABLE answered (
    -- The SHA-256 of the caller's secret and of the key that the caller gave the call.
    id     BLOB   NOT NULL PRIMARY KEY,
    -- The SHA-256 of what was asked.
    digest BLOB   NOT NULL,
    sealed BLOB   NOT NULL,
    at     BIGINT NOT NULL
);
CREATE INDEX answered_by_age ON answered (at);
