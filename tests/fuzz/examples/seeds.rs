//! Writes the first inputs of every target into a folder: `cargo run --example seeds FOLDER`. They are made from
//! `tests/vectors` and from the world that the targets share.

use std::{fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::DeactivationProof;
use nodelock_fuzz::{Message, VECTORS, World, bundle, world};
use serde_json::Value;

const CODES: &str = include_str!("../../vectors/codes.json");
const REFUSED: &str = include_str!("../../vectors/refused.json");

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).expect("a folder");
    let folder = Path::new(&folder);
    let world = world();
    let (mut messages, mut texts) = (Vec::new(), Vec::new());
    for vectors in [VECTORS, REFUSED, CODES] {
        strings(&serde_json::from_str(vectors)?, &mut |text| match from_hex(text) {
            Some(bytes) if bytes.starts_with(b"NL") => messages.push(bytes),
            _ if text.contains("NODELOCK") || text.len() > 64 => messages.push(text.as_bytes().to_vec()),
            _ => texts.push(text.as_bytes().to_vec()),
        });
    }
    let genuine = || world.messages.iter().map(|message| message.envelope.clone());
    messages.extend(genuine());
    let pair = |a: &str, b: &str| bundle(&[envelope(world, a), envelope(world, b)]);
    messages.push(pair("recovering request", "recovery"));
    messages.push(pair("second request", "proof"));
    messages.push(pair("cancelled proof", "second request"));
    write(folder, "messages", &messages)?;
    texts.push(world.code.clone().into_bytes());
    write(folder, "codes", &texts)?;
    let proofs = [envelope(world, "proof"), envelope(world, "cancelled proof")];
    let proof = |proof: &[u8]| {
        DeactivationProof::verify(proof, &world.device.public_key()).expect("a proof").to_text()
    };
    // The target `codes` has all of the texts; here a part of them is enough.
    let mut submissions: Vec<_> = messages.iter().chain(texts.iter().step_by(16)).cloned().collect();
    submissions.push(bundle(&proofs));
    submissions.push(proofs.map(proof).concat().into_bytes());
    write(folder, "submissions", &submissions)?;

    let vectors = messages.iter().filter(|envelope| envelope.len() > 4 && (1..=9).contains(&envelope[3]));
    let vectors = vectors.map(|envelope| Message { name: "", envelope: envelope.clone() });
    let vectors: Vec<_> = vectors.filter(|message| message.is_whole()).collect();
    let bodies = world.messages.iter().chain(&vectors).flat_map(|message| {
        let states = 0..world.states.len() as u8;
        states.map(|state| [&[message.kind() as u8, state], message.body()].concat())
    });
    write(folder, "signed", &bodies.collect::<Vec<_>>())?;

    let stores = world.states.iter().skip(1).flat_map(|state| {
        let file = (0..10).map(|operation| [&[0, operation], &state[..]].concat());
        file.chain([[&[1, 0], &whole_file(state)[..]].concat()])
    });
    write(folder, "stores", &stores.collect::<Vec<_>>())?;

    let answers = [
        (1, 0, r#"200{"license":"$a"}"#),
        (4, 0, r#"200{"license":"$a","receipts":["$d"]}"#),
        (1, 0, r#"409{"type":"urn:nodelock:problem:no-free-seat","title":"none"}"#),
        (2, 1, "200{\"allowed\":true,\"deactivations_left\":null}\n200{\"receipt\":\"$d\"}"),
        (2, 1, r#"200{"allowed":false}"#),
        (2, 2, r#"200{"license":"$j"}"#),
        (2, 2, r#"200{"revocation":"$e"}"#),
        (2, 2, "503{}"),
        (3, 3, r#"200{"receipt":"$d"}"#),
        (5, 3, "200{\"receipt\":\"$d\"}\n429{\"type\":\"server-busy\"}"),
        (6, 4, r#"200{"receipt":"$d"}"#),
        (8, 5, r#"200{"license":"$a"}"#),
    ];
    let answers = answers.map(|(state, call, script)| [&[state, call], script.as_bytes()].concat());
    write(folder, "answers", &answers)?;
    write(folder, "records", &records(world)?)
}

/// For each ledger and each act, what the ledger holds.
fn records(world: &World) -> io::Result<Vec<Vec<u8>>> {
    let mut inputs = Vec::new();
    for ledger in &world.ledgers {
        let license = ledger.license(ledger.terms[0].id).expect("it was sold");
        let mut lines = format!("\nL{}", serde_json::to_string(&license)?);
        for seat in ledger.seats.values() {
            lines.push_str(&format!("\nS{}", serde_json::to_string(seat)?));
        }
        lines.push_str("\nA{\"count\":1,\"since\":1799999999}\nC1");
        let evidence = URL_SAFE_NO_PAD.encode(envelope(world, "proof"));
        for act in 0..14 {
            inputs.push([&[act], lines.as_bytes()].concat());
            inputs.push([&[act], lines.as_bytes(), b"\nE", evidence.as_bytes()].concat());
        }
    }
    Ok(inputs)
}

fn envelope<'w>(world: &'w World, name: &str) -> &'w [u8] {
    &world.messages.iter().find(|message| message.name == name).expect("there is one").envelope
}

/// A state file of the first generation.
fn whole_file(body: &[u8]) -> Vec<u8> {
    let head =
        [b"NLST\x01\0\0\0", &1_u64.to_le_bytes()[..], &(body.len() as u32).to_le_bytes(), body].concat();
    [&head[..], ring::digest::digest(&ring::digest::SHA256, &head).as_ref()].concat()
}

fn strings(value: &Value, take: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, take)),
        Value::Object(members) => members.values().for_each(|member| strings(member, take)),
        _ => {}
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    if text.len() % 2 == 0 { pairs.collect() } else { None }
}

fn write(folder: &Path, target: &str, inputs: &[Vec<u8>]) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    for (number, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:04}")), input)?;
    }
    println!("{target}: {} inputs", inputs.len());
    Ok(())
}
