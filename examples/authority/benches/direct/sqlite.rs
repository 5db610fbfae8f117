//! The statements of a check-in on SQLite, in one thread.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};

use crate::{CONNECTIONS, Direct, common::authority::Authority};

pub struct Sqlite {
    reader: Connection,
    writer: Connection,
    seats: Vec<Seat>,
    /// How many check-ins there were.
    count: usize,
}

struct Seat {
    handle: i64,
    device: Vec<u8>,
    license: String,
}

impl Sqlite {
    pub fn open(authority: &Authority) -> Self {
        let file = authority.directory().join("authority.db");
        let [reader, writer] = [(); 2].map(|()| {
            let connection = Connection::open(&file).unwrap();
            let settings = "PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                            PRAGMA foreign_keys = ON";
            connection.execute_batch(settings).unwrap();
            connection
        });
        let mut select = reader.prepare("SELECT handle, device_key, license_id FROM seat").unwrap();
        let seats = select
            .query_map([], |row| Ok(Seat { handle: row.get(0)?, device: row.get(1)?, license: row.get(2)? }))
            .unwrap();
        let seats = seats.map(Result::unwrap).collect();
        drop(select);
        Self { reader, writer, seats, count: 0 }
    }

    fn look_up(connection: &Connection, seat: &Seat) -> String {
        let mut select = connection
            .prepare_cached(
                "SELECT handle, license_id, record FROM seat WHERE handle = ?1 ORDER BY granted, device_key",
            )
            .unwrap();
        let record: String = select.query_row([seat.handle], |row| row.get(2)).unwrap();
        let mut select = connection.prepare_cached("SELECT record FROM history").unwrap();
        let history: String = select.query_row([], |row| row.get(0)).unwrap();
        assert!(!history.is_empty());
        record
    }

    fn look(connection: &Connection, seat: &Seat, digest: &[u8]) -> String {
        let record = Self::look_up(connection, seat);
        let select = "SELECT revision FROM check_in WHERE handle = ?1 AND device_key = ?2 AND digest = ?3";
        let mut select = connection.prepare_cached(select).unwrap();
        let mut rows = select.query(params![seat.handle, seat.device, digest]).unwrap();
        assert!(rows.next().unwrap().is_none());
        let select = "SELECT id, key_hash, terms, taken, deactivated, activated, allowances FROM license WHERE id = ?1";
        let mut select = connection.prepare_cached(select).unwrap();
        let terms: String = select.query_row([&seat.license], |row| row.get(2)).unwrap();
        assert!(!terms.is_empty());
        record
    }

    fn store(&self, seat: &Seat, digest: &[u8], record: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(now.as_secs()).unwrap();
        let update = "UPDATE seat SET state = ?1, taken = ?2, lapsed = ?3, counted = ?4, changed = ?5, issued = ?6, \
                      contact = ?7, ends = ?8, reason = ?9, revision = ?10, copies = ?11, virtual_machine = ?12, \
                      container = ?13, label = ?14, record = ?15, installed = ?16 \
                      WHERE handle = ?17 AND device_key = ?18 AND state = ?19 AND counted = ?20 AND lapsed = ?21";
        let updated = self
            .writer
            .prepare_cached(update)
            .unwrap()
            .execute(params![
                "active",
                1,
                0,
                0,
                seconds,
                seconds,
                seconds,
                seconds + 90 * 86_400,
                "other",
                2,
                0,
                0,
                0,
                "bench",
                record,
                seat.device,
                seat.handle,
                seat.device,
                "active",
                0,
                0
            ])
            .unwrap();
        assert_eq!(updated, 1);
        let insert = "INSERT INTO check_in (handle, device_key, digest, revision) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = self.writer.prepare_cached(insert).unwrap();
        insert.execute(params![seat.handle, seat.device, digest, 2]).unwrap();
        let insert = "INSERT INTO audit (id, at, actor, action, license_id, handle, device_key, from_state, to_state, \
                      detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut insert = self.writer.prepare_cached(insert).unwrap();
        let id = format!("{:032x}{:016x}", now.as_nanos(), self.count);
        insert
            .execute(params![
                id,
                seconds,
                "peer",
                "checked-in",
                seat.license,
                seat.handle,
                seat.device,
                "active",
                "active",
                ""
            ])
            .unwrap();
    }
}

fn run(connection: &Connection, sql: &str) {
    connection.prepare_cached(sql).unwrap().execute([]).unwrap();
}

impl Direct for Sqlite {
    fn ways(&self) -> &'static [&'static str] {
        &["directly, a commit each", "directly, a commit for 16"]
    }

    fn count(&self, _way: usize, check_ins: usize) -> usize {
        check_ins
    }

    fn rate(&mut self, way: usize, count: usize) -> f64 {
        let group = [1, CONNECTIONS][way];
        let start = Instant::now();
        for at in 0..count {
            let seat = &self.seats[self.count % self.seats.len()];
            let mut digest = [0x5a; 32];
            digest[..8].copy_from_slice(&self.count.to_le_bytes());
            // Whose signature it must have, what to lock, and the decision.
            run(&self.reader, "BEGIN");
            Self::look_up(&self.reader, seat);
            run(&self.reader, "ROLLBACK");
            run(&self.reader, "BEGIN");
            Self::look(&self.reader, seat, &digest);
            run(&self.reader, "ROLLBACK");
            run(&self.writer, if at % group == 0 { "BEGIN IMMEDIATE" } else { "SAVEPOINT writer" });
            let record = Self::look(&self.writer, seat, &digest);
            self.store(seat, &digest, &record);
            if (at + 1) % group == 0 || at + 1 == count {
                run(&self.writer, "COMMIT");
            }
            self.count += 1;
        }
        count as f64 / start.elapsed().as_secs_f64()
    }
}
