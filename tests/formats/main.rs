//! What is signed, written down, read aloud and scanned keeps its form.

mod digits;
mod forms;
mod interop;
mod phone_code;
mod qr;
mod records;
mod signatures;
mod vectors;

#[path = "../support/mod.rs"]
mod support;
