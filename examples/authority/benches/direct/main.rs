//! Check-ins through the server beside the same statements driven directly, on one database with syncs on:
//! `cargo bench -p nodelock-authority --bench direct`, and for PostgreSQL too
//! `python3 tests/postgres/with_server.py cargo bench -p nodelock-authority --bench direct`.
//!
//! The server is the release build in a process of its own, and the load comes over HTTP from this process, on the same
//! processors. Directly, one thread runs the statements of one check-in after the other on SQLite, with a commit each
//! and with one for 16; on PostgreSQL `pgbench` runs them, with prepared statements. Each phase has several rounds,
//! which take turns, because other programs may be at work; what is printed are medians of the rounds.
//!
//! | variable | what it sets |
//! |---|---|
//! | `NODELOCK_BENCH_ROUNDS` | how many rounds there are, 7 unless told |
//! | `NODELOCK_ONLINE_POSTGRES` | the URL of a PostgreSQL server, without a database: measured too if it is set |

#[path = "../common/mod.rs"]
mod common;
mod cpu;
mod postgres;
mod sqlite;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{env, net::Ipv4Addr, thread};

use common::{
    authority::Authority,
    device::{self, Device},
    load::{self, Connection},
};
use nodelock::{License, Roots};
use support::server::{Engine, POSTGRES, Server};

/// How many customers ask at a time.
const CONNECTIONS: usize = 16;
/// How many seats a license has.
const SEATS_OF_A_LICENSE: usize = 50;
/// Check-ins of a round with 16 connections, and with one: multiples of 16.
const MANY: usize = 608;
const FEW: usize = 208;
const CHECK_INS: &str = "/v1/checkins";

fn main() {
    let rounds = env::var("NODELOCK_BENCH_ROUNDS").map_or(7, |text| text.parse().expect("a number"));
    measure(&Engine::Sqlite, rounds);
    match env::var(POSTGRES) {
        Ok(server) => measure(&Engine::Postgres(server), rounds),
        Err(_) => println!("PostgreSQL is not measured: {POSTGRES} is not set."),
    }
}

/// Something that runs check-ins without the authority.
trait Direct {
    /// What it is called, and its ways of running them.
    fn ways(&self) -> &'static [&'static str];
    /// How many there are that way, when a round of the server has so many.
    fn count(&self, way: usize, check_ins: usize) -> usize;
    /// Runs them. Returns how many a second.
    fn rate(&mut self, way: usize, count: usize) -> f64;
}

fn measure(engine: &Engine, rounds: usize) {
    let authority = Authority::new(engine);
    let server = authority.serve(&[]);
    let mut check_ins = activated(&authority, &server, (1 + rounds) * (MANY + FEW));
    // A connection keeps the plans of its statements. Those of empty tables are of no use, and hold until PostgreSQL
    // has looked at the tables again, as it does within a minute by itself.
    let first = check_ins.split_off(check_ins.len() - MANY - FEW);
    load::run_each(server.address, CHECK_INS, &dealt(first), "\"license\"");
    let mut direct: Box<dyn Direct> = match engine {
        Engine::Sqlite => Box::new(sqlite::Sqlite::open(&authority)),
        Engine::Postgres(server) => Box::new(postgres::Postgres::new(&authority, server)),
    };
    let (mut many, mut one) = (Vec::new(), Vec::new());
    let mut directly = vec![Vec::new(); direct.ways().len()];
    let (mut spent, mut spent_directly) = (cpu::Spent::default(), cpu::Spent::default());
    for _ in 0..rounds {
        let bodies = check_ins.split_off(check_ins.len() - MANY);
        let before = cpu::Spent::now(&server, engine);
        many.push(load::run_each(server.address, CHECK_INS, &dealt(bodies), "\"license\"").rate);
        spent += cpu::Spent::now(&server, engine) - before;
        let bodies = check_ins.split_off(check_ins.len() - FEW);
        one.push(load::run(server.address, CHECK_INS, bodies, 1, "\"license\"").rate);
        for (way, rates) in directly.iter_mut().enumerate() {
            let before = cpu::Spent::now(&server, engine);
            rates.push(direct.rate(way, direct.count(way, MANY)));
            if way == 0 {
                spent_directly += cpu::Spent::now(&server, engine) - before;
            }
        }
    }
    let name = match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres(_) => "PostgreSQL",
    };
    let (many, one) = (median(many), median(one));
    println!(
        "\n{name}: check-ins a second, and what the server does with {CONNECTIONS} clients as a multiple of it"
    );
    println!("  server, {CONNECTIONS} clients              {many:>6.0}");
    println!("  server, 1 client                {one:>6.0}   {:.2}", many / one);
    for (way, rates) in direct.ways().iter().zip(directly) {
        let rate = median(rates);
        println!("  {way:<30}  {rate:>6.0}   {:.2}", many / rate);
    }
    println!("Processor time of a check-in with {CONNECTIONS} clients, in microseconds:");
    spent.print(rounds * MANY);
    println!("  the same directly:");
    spent_directly.print(rounds * direct.count(0, MANY));
    println!("  of that of the authority:");
    refused(&server, engine);
    let before = cpu::Spent::now(&server, engine);
    device::verify_and_sign();
    let spent = cpu::Spent::now(&server, engine) - before;
    println!("  verifying one signature, making one {:>6.0}", spent.clients / f64::from(device::TIMES));
}

/// What a check-in costs whose signature does not hold: it is read and refused before the database is asked.
fn refused(server: &Server, engine: &Engine) {
    const TIMES: usize = 2_000;
    let template = device::Template::new();
    let body = template.device("").false_check_in();
    let before = cpu::Spent::now(server, engine);
    let mut connection = Connection::open(Ipv4Addr::new(127, 0, 9, 1), server.address).unwrap();
    for _ in 0..TIMES {
        assert_ne!(connection.post(CHECK_INS, &body).unwrap().0, 200);
    }
    let spent = cpu::Spent::now(server, engine) - before;
    println!("  HTTP, JSON and log alone            {:>6.0}", spent.authority / TIMES as f64);
}

/// To each customer the check-ins of licenses that no other has, as `pgbench` has them: none waits for another's lock.
fn dealt(check_ins: Vec<String>) -> Vec<Vec<String>> {
    let mut customers = vec![Vec::new(); CONNECTIONS];
    for (at, check_in) in check_ins.into_iter().enumerate() {
        customers[at % CONNECTIONS].push(check_in);
    }
    customers
}

/// The check-ins of devices that have their seats. Two that stand a multiple of 16 apart may be of one license, and no
/// others.
fn activated(authority: &Authority, server: &Server, count: usize) -> Vec<String> {
    let licenses = count.div_ceil(SEATS_OF_A_LICENSE).next_multiple_of(CONNECTIONS);
    let keys = authority.sell_many(licenses, SEATS_OF_A_LICENSE);
    let template = device::Template::new();
    let roots = Roots::new([authority.root.parse().unwrap()]);
    let devices: Vec<Device> = (0..count).map(|at| template.device(&keys[at % keys.len()])).collect();
    let customer = |peer: u8, devices: &[Device]| -> Vec<String> {
        let mut connection = Connection::open(Ipv4Addr::new(127, 0, 8, peer), server.address).unwrap();
        let check_in = |device: &Device| {
            let (status, answer) = connection.post("/v1/activations", &device.activation()).unwrap();
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(status, 200, "{answer}");
            let license = answer["license"].as_str().unwrap();
            device.check_in(&License::verify(license.as_bytes(), &roots).unwrap())
        };
        devices.iter().map(check_in).collect()
    };
    thread::scope(|scope| {
        let customers: Vec<_> = (1..)
            .zip(devices.chunks(count.div_ceil(CONNECTIONS)))
            .map(|(peer, devices)| {
                scope.spawn({
                    let customer = &customer;
                    move || customer(peer, devices)
                })
            })
            .collect();
        customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect()
    })
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}
