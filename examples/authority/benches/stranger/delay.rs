//! How long a flood of codes delays another peer.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    CHECK_INS, DEACTIVATIONS, World,
    bounds::{self, Bounds},
    common::load::Connection,
    wrong_code,
};

/// How many codes are timed.
const ROUNDS: u8 = 60;
/// How many codes a peer may try.
const CODES_OF_PEER: u8 = 10;

/// Times a peer's code while another peer has sent all the codes that it may, and check-ins all the while.
pub fn measure(world: &World, bounds: &mut Bounds) {
    let seats = world.seats(2 * usize::from(ROUNDS) * (1 + usize::from(CODES_OF_PEER)));
    let mut seats = seats.into_iter().map(|handle| wrong_code(handle, 1));
    let server = world.server.address;
    let ask = |peer, code: &str| {
        let mut connection = Connection::open(peer, server).unwrap();
        let start = Instant::now();
        let (status, answer) = connection.post(DEACTIVATIONS, code).unwrap();
        assert!(status == 403 && answer.contains("wrong-code"), "{status} {answer}");
        start.elapsed()
    };
    let (mut codes, mut check_ins) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (at, is_flooded) in [(0, false), (1, true)] {
        for round in 0..ROUNDS {
            let flood: Vec<_> = seats.by_ref().take(CODES_OF_PEER.into()).collect();
            let code = seats.next().unwrap();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                for code in flood.iter().filter(|_| is_flooded) {
                    scope.spawn(|| ask(Ipv4Addr::new(127, 0, 2, round), code));
                }
                // The flood is there first.
                thread::sleep(Duration::from_millis(20));
                let checking_in = scope.spawn(|| {
                    let mut connection = Connection::open(Ipv4Addr::new(127, 0, 1, 1), server).unwrap();
                    let mut times = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let check_in = world.check_in(0);
                        let start = Instant::now();
                        assert_eq!(connection.post(CHECK_INS, &check_in).unwrap().0, 200);
                        times.push(start.elapsed());
                    }
                    times
                });
                codes[at].push(ask(Ipv4Addr::new(127, 0, 3, 2 * round + u8::from(is_flooded)), &code));
                over.store(true, Ordering::Relaxed);
                check_ins[at].extend(checking_in.join().unwrap());
            });
        }
    }
    println!(
        "\n| another peer's    | alone, median | beside ten codes | delay | alone, 90 % | beside ten codes |"
    );
    println!(
        "|-------------------|--------------:|-----------------:|------:|------------:|-----------------:|"
    );
    for (what, [mut alone, mut beside]) in [("code", codes), ("check-in", check_ins)] {
        alone.sort_unstable();
        beside.sort_unstable();
        let part =
            |times: &[Duration], percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        let (median, flooded) = (part(&alone, 50), part(&beside, 50));
        let most = if what == "code" { median * bounds::CODE } else { bounds::CHECK_IN };
        bounds.at_most(&format!("a {what} beside ten codes, later by ms"), flooded - median, most);
        println!(
            "| {what:<17} | {median:>10.1} ms | {flooded:>13.1} ms | {:>5.1} | {:>8.1} ms | {:>13.1} ms |",
            flooded - median,
            part(&alone, 90),
            part(&beside, 90)
        );
    }
}
