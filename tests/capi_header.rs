//! `include/nodelock.h` says what `src/ffi` does. After a change there: `NODELOCK_WRITE_HEADER=1 cargo test --test capi_header`.

use std::{env, fs, path::Path};

use cbindgen::{Builder, Config};

/// The files in the order in which the header has them.
const FILES: [&str; 18] = [
    "version",
    "status",
    "error",
    "bytes",
    "callback",
    "config",
    "client",
    "license",
    "request",
    "proof",
    "qr",
    "receipt",
    "revocation",
    "call",
    "online",
    "transport",
    "fingerprint",
    "code",
];

fn generate() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config::from_file(root.join("cbindgen.toml")).unwrap();
    let builder = FILES.iter().fold(Builder::new().with_config(config), |builder, file| {
        builder.with_src(root.join("src/ffi").join(file).with_extension("rs"))
    });
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_committed_header_is_what_is_generated() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/nodelock.h");
    let generated = generate();
    if env::var_os("NODELOCK_WRITE_HEADER").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = generated.lines().zip(committed.lines()).position(|(a, b)| a != b);
    assert!(
        generated == committed,
        "include/nodelock.h is out of date, from line {} on: NODELOCK_WRITE_HEADER=1 cargo test --test capi_header",
        differs.unwrap_or_else(|| generated.lines().count().min(committed.lines().count())) + 1
    );
}
