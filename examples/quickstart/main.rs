//! The main job from end to end, on this very machine and in a folder that is removed afterwards:
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! A vendor sells a license of one seat, and the seat goes from one machine to another: in `offline.rs` by files and by
//! a code that is read over the phone, in `gone.rs` from machines that were formatted or died, in `online.rs` with the
//! reference authority as a server on the loopback interface. Read `run` of these from top to bottom: they are the
//! library's tour. Every step's outcome is checked, and the first one that is not as it should be ends the program with
//! an error.

mod gone;
mod offline;
mod online;
mod server;
mod vendor;

use std::{error::Error, path::Path, process::ExitCode};

use nodelock::{Client, ClientBuilder, ErrorKind, Roots, Store};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const PRODUCT: &str = "Example Editor";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nquickstart: this is not as it should be: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    println!("First without a network.");
    offline::run(&folder.path().join("offline"))?;
    println!("\nThen machines that are gone.");
    gone::run(&folder.path().join("gone"))?;
    println!("\nNow with the vendor's authority as a server on this machine.");
    online::run(&folder.path().join("online"))?;
    folder.close()?;
    println!(
        "\nDone: seats taken, given back by code and online, had from dead machines, and taken again. None was lost."
    );
    Ok(())
}

/// The licensing of an application that keeps its store in `folder`. A real one leaves `store` out and gets the
/// user's own place, with the tombstones elsewhere: they are what notices a folder that was copied back.
fn application(folder: &Path, roots: Roots) -> Result<Client> {
    Ok(builder(folder, roots).build()?)
}

/// The same, with more to be said about it.
fn builder(folder: &Path, roots: Roots) -> ClientBuilder {
    let store = Store::in_directory(folder.join("store"), Some(folder.join("tombstones")));
    Client::builder(PRODUCT, roots).store(store).application_version("1.0.0")
}

/// A code as a tired person types it: lower case, no dashes, and two symbols wrong.
fn mistype(code: &str) -> String {
    let mut symbols: Vec<char> = code.to_lowercase().replace('-', " ").chars().collect();
    for at in [3, 15] {
        symbols[at] = if symbols[at] == '8' { 'b' } else { '8' };
    }
    symbols.into_iter().collect()
}

fn step(title: &str) {
    println!("\n== {title}");
}

/// The outcome of a step is what it should be.
fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// A step is refused, for the right reason.
fn refused<T>(result: nodelock::Result<T>, kind: ErrorKind, what: &str) -> Result<()> {
    match result {
        Err(error) if error.kind() == kind => {
            println!("Refused, as it should be: {error}.");
            Ok(())
        }
        Err(error) => Err(format!("{what}; but the refusal says: {error}").into()),
        Ok(_) => Err(format!("{what}; but it was not refused").into()),
    }
}
