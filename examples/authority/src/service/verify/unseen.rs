//! What a verification cannot see a change of, and why.

/// A column, with the member of its record behind a dot, and why some change of it has no second witness. What is not
/// listed is seen whatever it is changed to.
pub(crate) const UNSEEN: [(&str, &str); 32] = [
    ("license.key_hash", "the ledger holds no key to compare it with; its length is checked"),
    ("license.key_hint", "the ledger holds no key to compare it with; its length is checked"),
    (
        "license.terms",
        "what was sold is noted nowhere else; it must be valid, and of this license and product",
    ),
    ("sale.terms", "what was ordered is noted nowhere else; it must be valid, and of this product"),
    ("seat.machine", "what the device said of itself; no rule reads it, and it must be readable"),
    ("seat.record.requested", "the request is not kept; a date by the device's clock"),
    ("seat.record.request_digest", "the request is not kept; a change lets the same request be refused"),
    ("seat.record.release_commitment", "the request is not kept; a change lets the seat's code be refused"),
    ("seat.record.fingerprint", "the request and check-in are not kept; the next check-in is judged by it"),
    ("seat.record.first_token", "licenses are not kept; once the device has checked in, the next tells"),
    ("seat.record.sync_token", "licenses are not kept; once the device has checked in, the next tells"),
    ("seat.record.previous_token", "licenses are not kept; once the device has checked in, the next tells"),
    ("seat.record.acknowledged", "the proof or code is not kept; the outcome of a held seat is checked"),
    ("seat.record.heard_after_end", "noted nowhere else, and no right rests on it"),
    ("tally.shard", "the sum over all shards counts"),
    ("evidence.content", "its signature or secret is judged when its request arrives; it must be readable"),
    ("evidence.received", "noted nowhere else; it must not lie ahead"),
    ("evidence.peer", "noted nowhere else; it must be an address"),
    ("cancelled.peer", "noted nowhere else; it must be an address"),
    ("check_in.digest", "the check-in is not kept; a change makes its echo news"),
    ("check_in.revision", "a lower revision; a higher one than the seat's, or the same twice, is seen"),
    (
        "attempt.record",
        "how many codes were tried is noted by the audit for a day only by chance; bounds are checked",
    ),
    ("cancellation.record", "what is not counted is noted nowhere else; bounds are checked"),
    ("audit.id", "random bits, and the time to a day"),
    ("audit.at", "within a day, of a line that no record states the time of"),
    ("audit.actor", "noted nowhere else; it must be a user or an address"),
    ("audit.action", "of lines that lead to no state and issue no license"),
    ("audit.license_id", "of a line that is about a license alone: another license there is"),
    ("_sqlx_migrations.description", "a note of the database's driver that nothing reads"),
    ("_sqlx_migrations.installed_on", "a note of the database's driver that nothing reads"),
    ("_sqlx_migrations.execution_time", "a note of the database's driver that nothing reads"),
    ("audit.detail", "words for people; what a revoked device is told is checked"),
];
