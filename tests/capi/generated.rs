//! `include/nodelock.h` says what `src/ffi` does. After a change there:
//! `NODELOCK_WRITE_HEADER=1 cargo test --test capi generated`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cbindgen::{Builder, Config, Language};

/// The files in the order in which the header has them, each with a heading.
const CLIENT: [(&str, &str); 20] = [
    ("version", "Versions"),
    ("status", "Statuses"),
    ("error", "Errors"),
    ("bytes", "Bytes and texts that the caller owns"),
    ("callback", ""),
    ("config", "Setting up"),
    ("details", "What a request says beside the license key"),
    ("client", "The client"),
    ("license", "What a check found"),
    ("request", "Requests for a seat"),
    ("proof", "Seats given up"),
    ("qr", "QR codes"),
    ("receipt", "Receipts"),
    ("revocation", "Revocations"),
    ("call", "How an online call is limited, followed and cancelled"),
    ("start", "At each start"),
    ("online", "Online calls"),
    ("transport", "The host's own HTTP"),
    ("fingerprint", "What is found on a machine"),
    ("code", "Codes that people type"),
];

const AUTHORITY: [(&str, &str); 9] = [
    ("terms", "What was sold"),
    ("keys", "Keys"),
    ("issuer", "Who signs"),
    ("activation", "Activation files"),
    ("release", "Deactivation files"),
    ("records", "What a decision is made from"),
    ("decide", "Decisions"),
    ("decision", "What a decision says"),
    ("reply", "What is sent"),
];

const AUTHORITY_MANUAL: &str = "
/*
 * The authority's functions: for a vendor's server. Define NODELOCK_AUTHORITY, and use a library that was built with
 * feature `authority`; others do not have these functions.
 *
 * The library decides, and the server keeps the records: it looks up what a decision asks for, stores what the decision
 * says, and sends its reply. No rule is left to it. Six tables are enough: licenses (by id and by the hash of their
 * key), seats (by name, with the license and whether the seat is taken and counted), evidence (by seat), check-ins,
 * attempts and counts (by name). A seat is kept for ever, so that no old message is ever news again.
 *
 *     activation file       nodelock_activation_read(), nodelock_decide_activation()
 *     deactivation file     nodelock_release_read(), nodelock_decide_release()
 *     code by phone         nodelock_decide_code()
 *     check-in              nodelock_decide_check_in()
 *     preflight             nodelock_decide_preflight()
 *     by a customer         nodelock_decide_customer_release()
 *     by the vendor         nodelock_decide_renewal(), nodelock_decide_forced_release(), nodelock_decide_return()
 *
 * Each decision goes the same way:
 *
 *  1. Call the function with new records. While the outcome is NODELOCK_DECISION_NEEDS, answer every query
 *     (nodelock_decision_query_count(), nodelock_records_answer()), do the verifications (nodelock_records_verify()),
 *     and call it again.
 *  2. Do that once without a transaction, so that no verification is done while one is open. Then open a transaction
 *     that keeps other writers out, forget the records (nodelock_records_keep_facts()), and do it again. If a
 *     verification is missing now, which is rare, roll back and begin at 1.
 *  3. Store every change (nodelock_decision_change_count()), sign (nodelock_decision_reply()), commit, and only then
 *     send.
 *  4. After NODELOCK_DECISION_ATTEMPTED is committed, do the verifications, forget the records, and begin at 1.
 *
 * Every act is idempotent: a message that comes again has the same answer and changes nothing. When a function returns
 * another status than NODELOCK_OK, nothing is decided and there is nothing to store. Beside the codes that its comment
 * names, a decision may return NODELOCK_NO_RANDOM. The functions have no state, so they may be called from any number of
 * threads and processes.
 */
";

const TESTING: [(&str, &str); 1] = [("testing", "A vendor in memory")];

const TESTING_MANUAL: &str = "
/*
 * For an application's own tests: a vendor in memory, a clock to set, machines to choose. Define NODELOCK_TESTING, and
 * use a library that was built with feature `testing`; others do not have these functions. A library that is released
 * is built without it.
 *
 *     nodelock_test_authority *authority = NULL;
 *     nodelock_bytes *key = NULL;
 *
 *     nodelock_test_authority_new(\"Example Editor\", &authority, NULL);
 *     nodelock_test_authority_sell(authority, NULL, &key, NULL);
 *     nodelock_config_set_test_authority(config, authority, NULL);
 *     nodelock_config_set_test_machine(config, \"desk\", NODELOCK_TEST_MACHINE_SAME, NULL);
 *     nodelock_config_set_store_in_memory(config, NULL);
 *
 * Clients made of that config activate, renew and give back as over a network, and are refused what an authority
 * refuses. nodelock_test_authority_advance() ends leases, nodelock_test_authority_fail() breaks the network, and
 * nodelock_test_authority_answer() is for files that are carried by hand. `docs/guides/testing.md` has a test for each
 * verdict, in Rust.
 */
";

fn source(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file).with_extension("rs")
}

/// The enumeration of statuses, as Rust that cbindgen reads: it does not see what a macro makes of the catalogue.
fn statuses() -> String {
    let text = fs::read_to_string(source("src/ffi", "status")).unwrap();
    let before = text.split_once("#[repr(u32)]").expect("the enumeration is in a macro").0;
    let comment = before.rsplit_once("=> {").unwrap().1;
    let mut statuses = Vec::new();
    let mut doc = String::new();
    for line in fs::read_to_string(source("src/error", "catalogue")).unwrap().lines().map(str::trim) {
        if line.starts_with("///") {
            doc += &format!("{line}\n");
            continue;
        }
        // `Name, NODELOCK_NAME = 1, "code", ...` or `NODELOCK_NAME = 1, "code";`
        let status = line.find("NODELOCK_").and_then(|at| line[at..].split(',').next()?.split_once(" = "));
        if let Some((name, number)) = status.filter(|_| !line.starts_with("//")) {
            statuses.push((number.parse::<u32>().unwrap(), format!("{doc}{name} = {number},\n")));
        }
        doc.clear();
    }
    statuses.sort();
    let variants: String = statuses.into_iter().map(|(_, variant)| variant).collect();
    format!("{comment}#[repr(u32)]\npub enum nodelock_status {{\n{variants}}}\n")
}

fn write(config: Config, folder: &str, files: &[(&str, &str)]) -> String {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("statuses.rs");
    fs::write(&made, statuses()).unwrap();
    let builder = files.iter().fold(Builder::new().with_config(config), |builder, (file, _)| {
        let builder = if *file == "status" { builder.with_src(&made) } else { builder };
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
    let end = header.rfind("#endif").unwrap();
    let authority = write(plain.clone(), "src/ffi/authority", &AUTHORITY);
    let testing = write(plain, "src/ffi", &TESTING);
    let parts =
        [("AUTHORITY", AUTHORITY_MANUAL, authority), ("TESTING", TESTING_MANUAL, testing)].map(|part| {
            let (name, manual, text) = part;
            let text = text.trim();
            format!("#if defined(NODELOCK_{name})\n{manual}\n{text}\n#endif  /* NODELOCK_{name} */\n\n")
        });
    header.insert_str(end, &parts.concat());
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
