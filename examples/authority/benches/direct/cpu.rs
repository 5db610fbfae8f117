//! Processor time of the programs that take part, on Linux.

use std::{
    fs,
    ops::{AddAssign, Sub},
};

use crate::support::server::{Engine, Server};

/// Microseconds that each has spent.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    pub authority: f64,
    postgres: f64,
    /// This process, which is the clients.
    pub clients: f64,
}

impl Spent {
    pub fn now(server: &Server, engine: &Engine) -> Self {
        let postgres = match engine {
            Engine::Sqlite => 0.0,
            Engine::Postgres(_) => processes().filter(|it| it.name == "postgres").map(|it| it.spent).sum(),
        };
        let of = |id| processes().find(|it| it.id == id).map_or(0.0, |it| it.spent);
        Self { authority: of(server.process.id()), postgres, clients: of(std::process::id()) }
    }

    pub fn print(&self, check_ins: usize) {
        for (who, spent) in
            [("authority", self.authority), ("PostgreSQL", self.postgres), ("clients", self.clients)]
        {
            if spent > 0.0 {
                println!("  {who:<35} {:>6.0}", spent / check_ins as f64);
            }
        }
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            authority: self.authority - before.authority,
            postgres: self.postgres - before.postgres,
            clients: self.clients - before.clients,
        }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.authority += more.authority;
        self.postgres += more.postgres;
        self.clients += more.clients;
    }
}

struct Process {
    id: u32,
    name: String,
    /// With what its children spent who have ended.
    spent: f64,
}

fn processes() -> impl Iterator<Item = Process> {
    const TICK: f64 = 10_000.0;
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let ticks = rest.split_whitespace().skip(11).take(4).map(|ticks| ticks.parse::<f64>().unwrap_or(0.0));
        Some(Process { id, name: name.to_owned(), spent: ticks.sum::<f64>() * TICK })
    })
}
