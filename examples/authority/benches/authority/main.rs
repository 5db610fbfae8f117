//! What the reference authority carries, with every change on the disk before it is answered:
//! `cargo bench -p nodelock-authority --bench authority`.
//!
//! The program is the real one in its release build, in a process of its own; the load comes over HTTP on the loopback
//! interface from this process, on the same processors. Rates are with 16 connections that ask one thing after the
//! other, latencies are shown for these and for a single one. The floor is a commit of the database alone: one row,
//! on the disk, by SQLite itself (or one row of PostgreSQL, over a connection of its own), measured between the phases.
//!
//! | variable | what it sets |
//! |---|---|
//! | `NODELOCK_BENCH_SEATS` | how many seats are taken and given back, 2,000 unless told |
//! | `NODELOCK_BENCH_PROOFS` | how many proofs are redeemed in bulk, 2,000 unless told |
//! | `NODELOCK_ONLINE_POSTGRES` | the URL of a PostgreSQL server, without a database: measured too if it is set |

#[path = "../common/mod.rs"]
mod common;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{
    env, fs,
    io::Write as _,
    time::{Duration, Instant},
};

use common::{
    authority::Authority,
    device::{self, Device},
    load::{self, Measured},
};
use support::server::{Engine, POSTGRES};

/// How many customers ask at a time.
const CONNECTIONS: usize = 16;
/// How many seats a license has.
const SEATS_OF_A_LICENSE: usize = 50;

fn main() {
    let seats = number("NODELOCK_BENCH_SEATS", 2_000);
    let proofs = number("NODELOCK_BENCH_PROOFS", 2_000);
    let mut engines = vec![Engine::Sqlite];
    match env::var(POSTGRES) {
        Ok(server) => engines.push(Engine::Postgres(server)),
        Err(_) => println!("PostgreSQL is not measured: {POSTGRES} is not set."),
    }
    for engine in engines {
        let name = match engine {
            Engine::Sqlite => "SQLite",
            Engine::Postgres(_) => "PostgreSQL",
        };
        println!("\n{name}");
        println!(
            "| what                         |   in all |    rate |  median |    99 % | floor, commit | median/floor |"
        );
        println!(
            "|------------------------------|---------:|--------:|--------:|--------:|--------------:|-------------:|"
        );
        online(&engine, seats);
        bulk(&engine, proofs);
    }
}

fn number(name: &str, unless_told: usize) -> usize {
    env::var(name).map_or(unless_told, |text| text.parse().expect("a number"))
}

/// Seats are taken and given back over HTTP.
fn online(engine: &Engine, seats: usize) {
    let authority = Authority::new(engine);
    let devices = devices(&authority, seats);
    let (many, alone) = devices.split_at(seats * 9 / 10);
    let server = authority.serve(&[]);
    for (who, devices, connections) in [("16 at a time", many, CONNECTIONS), ("one at a time", alone, 1)] {
        let requests = devices.iter().map(Device::activation).collect();
        let taken = load::run(server.address, "/v1/activations", requests, connections, "\"license\"");
        row(&format!("activation, {who}"), &taken, authority.commit());
    }
    for (who, devices, connections) in [("16 at a time", many, CONNECTIONS), ("one at a time", alone, 1)] {
        let requests = devices.iter().map(Device::deactivation).collect();
        let freed = load::run(server.address, "/v1/deactivations", requests, connections, "\"freed\"");
        row(&format!("deactivation, {who}"), &freed, authority.commit());
    }
    drop(server);
    assert_eq!(authority.count_taken(), 0);
}

/// Seats are given back by a file with a proof on each line.
fn bulk(engine: &Engine, proofs: usize) {
    let authority = Authority::new(engine);
    let devices = devices(&authority, proofs);
    let server = authority.serve(&[]);
    let requests = devices.iter().map(Device::activation).collect();
    load::run(server.address, "/v1/activations", requests, CONNECTIONS, "\"license\"");
    drop(server);
    let (input, output) = (authority.path("proofs"), authority.path("receipts"));
    let mut file = fs::File::create(&input).unwrap();
    devices.iter().for_each(|device| writeln!(file, "{}", device.proof()).unwrap());
    drop(file);
    let start = Instant::now();
    authority.vendor(&["redeem-all", input.to_str().unwrap(), "--out", output.to_str().unwrap()]);
    let time = start.elapsed();
    assert_eq!(fs::read_to_string(&output).unwrap().matches("\"freed\"").count(), proofs);
    assert_eq!(authority.count_taken(), 0);
    let each = time / u32::try_from(proofs).unwrap();
    let floor = device::verify_and_sign();
    println!(
        "{proofs} proofs redeemed in bulk in {:.2} s: {:.0} a second, {each:?} each; verifying and signing alone take {floor:?}, ratio {:.1}",
        time.as_secs_f64(),
        1.0 / each.as_secs_f64(),
        each.as_secs_f64() / floor.as_secs_f64(),
    );
}

/// Devices that each want a seat of one of as many licenses as that takes.
fn devices(authority: &Authority, count: usize) -> Vec<Device> {
    let keys = authority.sell_many(count.div_ceil(SEATS_OF_A_LICENSE), SEATS_OF_A_LICENSE);
    let template = device::Template::new();
    (0..count).map(|at| template.device(&keys[at % keys.len()])).collect()
}

fn row(what: &str, measured: &Measured, floor: Duration) {
    let Measured { count, rate, median, late, .. } = measured;
    let milliseconds = |time: &Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    println!(
        "| {what:<28} | {count:>8} | {rate:>5.0}/s | {:>7} | {:>7} | {:>13} | {:>12.1} |",
        milliseconds(median),
        milliseconds(late),
        milliseconds(&floor),
        median.as_secs_f64() / floor.as_secs_f64()
    );
}
