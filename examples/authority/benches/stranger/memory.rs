//! How much memory requests take that wait.

use std::{fs, net::Ipv4Addr, thread, time::Duration};

use sqlx::{AnyConnection, Connection as _, Executor as _, any::install_default_drivers};

use crate::{
    ACTIVATIONS, World,
    bounds::{self, Bounds},
    common::load::{Connection, head},
    support::server::Engine,
};

const REQUESTS: usize = 100;
const SIZE: usize = 1024 * 1024;

/// Has 100 requests of 1 MiB wait for their last byte, and then for the database.
pub fn measure(world: &World, bounds: &mut Bounds) {
    if !cfg!(target_os = "linux") || !matches!(world.authority.engine(), Engine::Sqlite) {
        return println!("\nMemory is measured on Linux with SQLite alone.");
    }
    let bodies: Vec<_> =
        (0..REQUESTS).map(|_| padded(&world.template.device(&world.key).activation())).collect();
    let before = resident(world);
    let mut connections: Vec<_> = (0..REQUESTS)
        .map(|at| {
            // A peer has so many places.
            let peer = Ipv4Addr::new(127, 0, 4, if at % 2 == 0 { 1 } else { 2 });
            let mut connection = Connection::open(peer, world.server.address).unwrap();
            connection.send(head(ACTIVATIONS, SIZE).as_bytes()).unwrap();
            connection.send(&bodies[at].as_bytes()[..SIZE - 1]).unwrap();
            connection
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    let incomplete = resident(world);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waiting = runtime.block_on(async {
        install_default_drivers();
        let mut writer = AnyConnection::connect(&world.authority.database_url()).await.unwrap();
        writer.execute("BEGIN IMMEDIATE").await.unwrap();
        for connection in &mut connections {
            connection.send(b"}").unwrap();
        }
        thread::sleep(Duration::from_secs(2));
        let waiting = resident(world);
        writer.execute("ROLLBACK").await.unwrap();
        waiting
    });
    for connection in &mut connections {
        assert_eq!(connection.answer().unwrap().0, 200);
    }
    let size = (REQUESTS * SIZE) as f64;
    let [incomplete, waiting] =
        [incomplete, waiting].map(|memory| memory.saturating_sub(before) as f64 / size);
    println!(
        "\n{REQUESTS} requests of 1 MiB take {:.1} times their size while their last byte is missing, and {:.1} times while \
         they wait for the database",
        incomplete, waiting
    );
    let whens = ["while their last byte is missing", "while they wait for the database"];
    for ((when, times), most) in whens.iter().zip([incomplete, waiting]).zip(bounds::MEMORY) {
        bounds.at_most(&format!("memory of requests {when}, in times of their size"), times, most);
    }
}

/// A request with a member that nobody knows, which is a large piece of JSON.
fn padded(request: &str) -> String {
    let request = request.trim_end_matches('}');
    let room = SIZE - request.len() - r#","x":[0]}"#.len();
    let (items, rest) = (room / 2, room % 2);
    let body = format!("{request},\"x\":[{}0]{}}}", "0,".repeat(items), " ".repeat(rest));
    assert!(body.len() == SIZE && serde_json::from_str::<serde_json::Value>(&body).is_ok());
    body
}

/// The memory that the server holds, in bytes.
fn resident(world: &World) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", world.server.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
