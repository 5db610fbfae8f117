//! `include/nodelock.h` says what `src/ffi` does. After a change there: `NODELOCK_WRITE_HEADER=1 cargo test --test capi generated`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cbindgen::{Builder, Config, Language};

/// The files in the order in which the header has them, each with a heading.
const CLIENT: [(&str, &str); 18] = [
    ("version", "Versions"),
    ("status", "Statuses"),
    ("error", "Errors"),
    ("bytes", "Bytes and texts that the caller owns"),
    ("callback", ""),
    ("config", "Setting up"),
    ("client", "The client"),
    ("license", "What a check found"),
    ("request", "Requests for a seat"),
    ("proof", "Seats given up"),
    ("qr", "QR codes"),
    ("receipt", "Receipts"),
    ("revocation", "Revocations"),
    ("call", "How an online call is limited, followed and cancelled"),
    ("online", "Online calls"),
    ("transport", "The host's own HTTP"),
    ("fingerprint", "What is found on a machine"),
    ("code", "Codes that people type"),
];

const AUTHORITY: [(&str, &str); 8] = [
    ("records", "What was sold"),
    ("keys", "Keys"),
    ("issuer", "Who signs"),
    ("activation", "Activation files"),
    ("release", "Seats given up, by proof or code"),
    ("check_in", "While a seat is held"),
    ("seat", "What a vendor does to a seat"),
    ("decision", "What a rule came to"),
];

const AUTHORITY_MANUAL: &str = "
/*
 * The authority's functions: for a vendor's server. Define NODELOCK_AUTHORITY, and use a library that was built with feature
 * `authority`; others do not have these functions.
 *
 * Each is one rule. The server reads from its database what the rule asks for (terms and seats, as JSON), calls it, stores every seat
 * of the decision, and sends its message, all in one transaction that keeps other writers out. A seat is kept for ever, so that no
 * old message is ever news again. It is known by its name *and* its device key: two devices may draw the same name.
 *
 * An activation file:     nodelock_activation_read(); for each release in it what a deactivation does; nodelock_activation_grant().
 * A deactivation file:    nodelock_release_read(); nodelock_release_redeem() for each seat of its name until one fits. If no seat has
 *                         it: nodelock_release_cancel() with the request that came along, or keep the proof and try
 *                         nodelock_release_cancel() when a request of that name arrives.
 * A code by phone:        nodelock_deactivation_code_read(); nodelock_readings_redeem() for each reading and seat of its name.
 * A check-in, online:     nodelock_message_seat(); nodelock_check_in_answer() for each seat of its name until one fits.
 *
 * The functions have no state, so they may be called from any number of threads and processes.
 */
";

fn source(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file).with_extension("rs")
}

fn write(config: Config, folder: &str, files: &[(&str, &str)]) -> String {
    let builder = files.iter().fold(Builder::new().with_config(config), |builder, (file, _)| {
        builder.with_src(source(folder, file))
    });
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    let mut header = String::from_utf8(header).unwrap();
    for (file, heading) in files {
        let text = fs::read_to_string(source(folder, file)).unwrap();
        if let Some((_, function)) = text.split_once("extern \"C\" fn nodelock_") {
            let name = format!("nodelock_{}(", function.split('(').next().unwrap());
            let in_comment = |at: usize| header[..at].rsplit('\n').next().unwrap().starts_with(" *");
            let declared = header.match_indices(&name).find(|(at, _)| !in_comment(*at)).unwrap().0;
            let comment = header[..declared].rfind("/**").unwrap();
            header.insert_str(comment, &format!("/* ==== {heading} ==== */\n\n"));
        }
    }
    header
}

fn generate() -> String {
    let config = Config::from_file(source("", "cbindgen.toml").with_extension("toml")).unwrap();
    let plain = Config {
        language: Language::C,
        header: None,
        include_guard: None,
        sys_includes: Vec::new(),
        after_includes: None,
        ..config.clone()
    };
    let mut header = write(config, "src/ffi", &CLIENT);
    let authority = write(plain, "src/ffi/authority", &AUTHORITY);
    let end = header.rfind("#endif").unwrap();
    header.insert_str(
        end,
        &format!(
            "#if defined(NODELOCK_AUTHORITY)\n{AUTHORITY_MANUAL}\n{}\n#endif  /* NODELOCK_AUTHORITY */\n\n",
            authority.trim()
        ),
    );
    header
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
        "include/nodelock.h is out of date, from line {} on: NODELOCK_WRITE_HEADER=1 cargo test --test capi generated",
        differs.unwrap_or_else(|| generated.lines().count().min(committed.lines().count())) + 1
    );
}
