//! The statements of a check-in on PostgreSQL, by `pgbench`.

use std::{path::PathBuf, process::Command};

use crate::{CONNECTIONS, Direct, common::authority::Authority, support::server::database};

/// A check-in of a seat drawn at random: a look that finds whose signature it must have, one that finds what to lock,
/// and the decision. The first statement also brings what the authority knows from the message. Each client has
/// licenses of its own, as customers have, so that none waits for another's lock. Dates move with each check-in, as
/// they do in earnest: PostgreSQL has an index to change then.
const SCRIPT: &str = r"
\set number random(1, :seats)
\set client :client_id
\set drawn random(1, 9000000000000000000)
\set now random(1800000000, 1900000000)
\set ends :now + 7776000
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT handle, device_key, license_id, record FROM seat WHERE handle = (SELECT handle FROM bench WHERE client = :client AND number = :number) \gset
SELECT record FROM history;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT handle, license_id, record FROM seat WHERE handle = :handle ORDER BY granted, device_key;
SELECT record FROM history;
SELECT id, key_hash, terms, taken, deactivated, activated, allowances FROM license WHERE id = :license_id;
SELECT revision FROM check_in WHERE handle = :handle AND device_key = :device_key AND digest = int8send(:drawn);
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT id, key_hash, terms, taken, deactivated, activated, allowances FROM license WHERE id = :license_id FOR NO KEY UPDATE;
SELECT handle, license_id, record FROM seat WHERE handle = :handle ORDER BY granted, device_key;
SELECT record FROM history;
SELECT revision FROM check_in WHERE handle = :handle AND device_key = :device_key AND digest = int8send(:drawn);
UPDATE seat SET state = 'active', taken = 1, lapsed = 0, counted = 0, changed = :now, issued = :now, contact = :now, ends = :ends, reason = 'other', revision = 2, copies = 0, virtual_machine = 0, container = 0, label = 'bench', record = :record, installed = :device_key WHERE handle = :handle AND device_key = :device_key AND state = 'active' AND counted = 0 AND lapsed = 0;
INSERT INTO check_in (handle, device_key, digest, revision) VALUES (:handle, :device_key, int8send(:drawn), 2);
INSERT INTO audit (id, at, actor, action, license_id, handle, device_key, from_state, to_state, detail) VALUES (lpad(CAST(CAST(:drawn AS BIGINT) AS TEXT), 48, '0'), :now, 'peer', 'checked-in', :license_id, :handle, :device_key, 'active', 'active', '');
COMMIT;
";

pub struct Postgres {
    url: String,
    script: PathBuf,
    /// How many seats each client has.
    seats: String,
}

impl Postgres {
    pub fn new(authority: &Authority, server: &str) -> Self {
        let url = format!("{server}/{}", database(&authority.directory()));
        let script = authority.path("check-in.sql");
        std::fs::write(&script, SCRIPT).unwrap();
        let sql = "CREATE TABLE bench AS SELECT client, row_number() OVER (PARTITION BY client) AS number, handle \
                   FROM (SELECT handle, dense_rank() OVER (ORDER BY license_id) % 16 AS client FROM seat) AS seats; \
                   CREATE UNIQUE INDEX ON bench (client, number); ANALYZE";
        assert!(Command::new("psql").args([&url, "-qc", sql]).status().unwrap().success());
        let count = Command::new("psql")
            .args([&url, "-Atc", "SELECT COUNT(*) FROM bench GROUP BY client ORDER BY 1 LIMIT 1"])
            .output()
            .unwrap();
        Self { url, script, seats: String::from_utf8(count.stdout).unwrap().trim().to_owned() }
    }
}

impl Direct for Postgres {
    fn ways(&self) -> &'static [&'static str] {
        &["pgbench, 16 clients", "pgbench, 1 client"]
    }

    fn count(&self, way: usize, check_ins: usize) -> usize {
        // More of them than the server has, because it prepares its statements anew each time.
        [(check_ins * 5).next_multiple_of(CONNECTIONS), check_ins][way]
    }

    fn rate(&mut self, way: usize, count: usize) -> f64 {
        let clients = [CONNECTIONS, 1][way];
        let output = Command::new("pgbench")
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--file"])
            .arg(&self.script)
            .arg(format!("--define=seats={}", self.seats))
            .arg(format!("--client={clients}"))
            .arg(format!("--transactions={}", count / clients))
            .arg(&self.url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        // Without the time that connecting takes.
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap();
        rate.split(' ').next().unwrap().parse().unwrap()
    }
}
