//! What one stranger can do to the customers of the reference authority:
//! `cargo bench -p nodelock-authority --bench stranger`.
//!
//! Customers activate and check in from addresses of their own, over connections that ask one thing after the other.
//! Beside them one address sends as many junk requests as it can, one kind after the other. The rates with it are shown
//! as a ratio to the rates without it. At least half of them must be left, and 99 of 100 answers must come within a
//! second. Then it is measured how long a flood of codes delays another peer's code and a check-in, and how much memory
//! requests take that wait. What is out of its bounds (`bounds.rs`) makes the bench fail, so the machine must have
//! nothing else to do.
//!
//! The program is the real one in its release build with its database on the disk. All are on one machine; the stranger
//! runs with the lowest priority, because a real one has a machine of its own.
//!
//! | variable | what it sets |
//! |---|---|
//! | `NODELOCK_BENCH_REQUESTS` | how many activations and check-ins each phase has, 2,500 each unless told |
//! | `NODELOCK_ONLINE_POSTGRES` | the URL of a PostgreSQL server, without a database: it takes the place of SQLite |

#[path = "../common/mod.rs"]
mod common;
#[path = "../../tests/support/mod.rs"]
mod support;

mod bounds;
mod delay;
mod memory;
mod stranger;

use std::{env, net::Ipv4Addr, process::ExitCode};

use bounds::Bounds;
use common::{
    authority::Authority,
    device::{self, Device},
    load::{self, Measured},
};
use nodelock::{
    Client, Reason, Roots, Store, SystemRandom,
    code::{DeactivationCode, Handle, LicenseKey, ReleaseSecret},
};
use serde_json::json;
use stranger::{Junk, Stranger};
use support::{
    calls::http,
    server::{Engine, Server},
};

/// Where the customers are.
const CUSTOMERS: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 0, 1, 1),
    Ipv4Addr::new(127, 0, 1, 2),
    Ipv4Addr::new(127, 0, 1, 3),
    Ipv4Addr::new(127, 0, 1, 4),
];
/// How many of them check in.
const RENEWING: usize = 8;
/// How many different bodies the stranger has, unless few do.
const BODIES: u32 = 20_000;

const ACTIVATIONS: &str = "/v1/activations";
const DEACTIVATIONS: &str = "/v1/deactivations";
const PREFLIGHTS: &str = "/v1/deactivations/preflight";
const CHECK_INS: &str = "/v1/checkins";

fn main() -> ExitCode {
    stranger::be_one_if_told();
    let requests = env::var("NODELOCK_BENCH_REQUESTS").map_or(2500, |text| text.parse().expect("a number"));
    let world = World::new(&Engine::chosen());
    println!(
        "| beside the customers    | junk sent | activations | ratio |    99 % | check-ins | ratio |    99 % |\n\
         |-------------------------|----------:|------------:|------:|--------:|----------:|------:|--------:|"
    );
    let mut bounds = Bounds::default();
    // The first phase warms up.
    world.measure(requests);
    let mut before = world.measure(requests);
    for junk in world.junk() {
        let stranger = Stranger::start(&junk, world.server.address, world.authority.folder.path());
        let beside = world.measure(requests);
        let sent = stranger.stop();
        // The machine may have other work, so it is measured without the stranger right before and after.
        let after = world.measure(requests);
        row(junk.name, sent, &beside, [&before, &after], &mut bounds);
        before = after;
    }
    delay::measure(&world, &mut bounds);
    memory::measure(&world, &mut bounds);
    bounds.end()
}

/// A server with licenses that are large enough, and its customers.
struct World {
    authority: Authority,
    server: Server,
    key: String,
    template: device::Template,
    renewing: Vec<Client>,
}

/// Activations and check-ins.
struct Phase([Measured; 2]);

impl World {
    fn new(engine: &Engine) -> Self {
        let authority = Authority::new(engine);
        let server = authority.serve(&[]);
        let key = authority.sell_many(1, 1_000_000).remove(0);
        let world = Self { authority, server, key, template: device::Template::new(), renewing: Vec::new() };
        let renewing = (0..RENEWING).map(|_| world.activated()).collect();
        Self { renewing, ..world }
    }

    /// A real device with a license.
    fn activated(&self) -> Client {
        let roots = Roots::new([self.authority.root.parse().unwrap()]);
        let client = Client::builder(device::PRODUCT, roots).store(Store::in_memory());
        let client = client
            .authority(nodelock::Authority::new(self.server.url("http", "127.0.0.1"), http()))
            .build()
            .unwrap();
        client.activate(&self.key).unwrap();
        client
    }

    fn measure(&self, requests: usize) -> Phase {
        let server = self.server.address;
        let activations = (0..requests).map(|_| self.template.device(&self.key).activation()).collect();
        let check_ins = (0..requests).map(|at| self.check_in(at)).collect();
        Phase([
            load::run_from(&CUSTOMERS, server, ACTIVATIONS, activations, "\"license\""),
            load::run_from(&CUSTOMERS, server, CHECK_INS, check_ins, "\"license\""),
        ])
    }

    fn check_in(&self, at: usize) -> String {
        let check_in = self.renewing[at % RENEWING].check_in_offline().unwrap();
        json!({ "request": check_in.to_base64url() }).to_string()
    }

    /// Seats that are taken.
    fn seats(&self, count: usize) -> Vec<Handle> {
        let devices: Vec<_> = (0..count).map(|_| self.template.device(&self.key)).collect();
        let requests = devices.iter().map(Device::activation).collect();
        load::run_from(&CUSTOMERS, self.server.address, ACTIVATIONS, requests, "\"license\"");
        devices.iter().map(Device::handle).collect()
    }

    /// What a stranger may send, kind by kind.
    fn junk(&self) -> Vec<Junk> {
        let seats = self.seats(200);
        let seat = |n: u32| seats[n as usize % seats.len()];
        let nobodys = |n: u32| Handle::new(n * 50_000 + 1).unwrap();
        let license_key = || LicenseKey::generate(&SystemRandom).unwrap().to_string();
        let unknown: Vec<_> = (0..200).map(|_| self.template.device(&license_key()).activation()).collect();
        let junk = |name, path, bodies| Junk { name, path, bodies, connections: 64, is_slow: false };
        let slow = |name, connections| {
            let bodies = vec!["A".repeat(1000)];
            Junk { name, path: CHECK_INS, bodies, connections, is_slow: true }
        };
        let each = |body: &dyn Fn(u32) -> String| (0..BODIES).map(body).collect::<Vec<_>>();
        let proof = |handle| json!({ "proof": device::strange_proof(handle) }).to_string();
        let preflight = |handle| json!({ "request": device::strange_preflight(handle) }).to_string();
        let large = json!({ "request": "A".repeat(1024 * 1024 - 100) }).to_string();
        vec![
            junk("wrong codes", DEACTIVATIONS, each(&|n| wrong_code(seat(n), n.into()))),
            junk("a right code for ever", DEACTIVATIONS, vec![self.right_code()]),
            junk("wrong license keys", ACTIVATIONS, unknown),
            junk("junk proofs", DEACTIVATIONS, each(&|n| proof(seat(n)))),
            junk("proofs of unseen seats", DEACTIVATIONS, each(&|n| proof(nobodys(n)))),
            junk("codes of unseen seats", DEACTIVATIONS, each(&|n| wrong_code(nobodys(n), n.into()))),
            junk(
                "preflights",
                PREFLIGHTS,
                each(&|n| preflight(if n % 2 == 0 { seat(n) } else { nobodys(n) })),
            ),
            junk("bodies of 1 MiB", CHECK_INS, vec![large]),
            junk("no JSON", CHECK_INS, vec!["no JSON".to_owned()]),
            slow("slow bodies", 128),
            // More than one address may have: the others are closed, and opened again.
            slow("connections", 400),
        ]
    }

    /// A code that is used up.
    fn right_code(&self) -> String {
        let given_up = self.activated();
        let code = given_up.deactivate_offline(Reason::Moved).unwrap().code().to_string();
        given_up.online().hand_in().unwrap();
        json!({ "phone_code": code }).to_string()
    }
}

fn wrong_code(handle: Handle, secret: u64) -> String {
    let secret = ReleaseSecret::from_random(secret.to_le_bytes());
    json!({ "phone_code": DeactivationCode::new(handle, secret).to_string() }).to_string()
}

fn row(beside: &str, sent: f64, phase: &Phase, alone: [&Phase; 2], bounds: &mut Bounds) {
    let sent = format!("{sent:.0}/s");
    print!("| {beside:<23} | {sent:>9} |");
    for (at, width, what) in [(0, 11, "activations"), (1, 9, "check-ins")] {
        let (measured, alone) = (&phase.0[at], alone.map(|phase| phase.0[at].rate).iter().sum::<f64>() / 2.0);
        let rate = format!("{:.0}/s", measured.rate);
        let (ratio, late) = (measured.rate / alone, measured.late.as_secs_f64() * 1e3);
        bounds.at_least(&format!("{what} beside {beside}, part of the rate"), ratio, bounds::RATE);
        bounds.at_most(&format!("{what} beside {beside}, 99 % in ms"), late, bounds::LATE);
        let late = format!("{late:.1} ms");
        print!(" {rate:>width$} | {ratio:>5.2} | {late:>7} |");
    }
    println!();
}
