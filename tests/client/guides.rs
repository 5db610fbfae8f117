//! The code of the guides (docs/guides), to the letter, and what it does.

use std::{fs, path::Path};

#[path = "guides/testing.rs"]
mod testing_guide;
#[cfg(feature = "tokio")]
#[path = "guides/tokio.rs"]
mod tokio_guide;

const GUIDES: [(&str, &str); 2] =
    [("testing", include_str!("guides/testing.rs")), ("tokio", include_str!("guides/tokio.rs"))];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_code_that_is_tested_is_the_guides() {
    for (name, code) in GUIDES {
        let guide = read(&format!("docs/guides/{name}.md"));
        let blocks: Vec<_> = guide.split("```rust\n").skip(1).map(|rest| rest.split("```").next()).collect();
        assert_eq!(blocks, [Some(code)], "docs/guides/{name}.md and tests/client/guides/{name}.rs");
    }
}

/// The names of crates in lines such as `tokio = "1"`.
fn crates(toml: &str) -> impl Iterator<Item = &str> {
    toml.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).filter(|name| !name.contains(['#', '.']))
}

#[test]
fn each_crate_that_a_guide_uses_is_among_the_dependencies_that_it_names() {
    let manifest = read("Cargo.toml");
    // The code is built with these, so it uses no others.
    let tests = manifest.split("\n[dev-dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    for (name, code) in GUIDES {
        let guide = read(&format!("docs/guides/{name}.md"));
        let named: Vec<_> = guide
            .split("```toml\n")
            .skip(1)
            .flat_map(|rest| crates(rest.split("```").next().unwrap()))
            .collect();
        let used: Vec<_> = crates(tests).filter(|used| code.contains(&format!("{used}::"))).collect();
        assert!(used.contains(&"nodelock"), "{used:?}");
        for used in used {
            assert!(named.contains(&used), "docs/guides/{name}.md uses {used} and names {named:?}");
        }
    }
}

#[cfg(feature = "tokio")]
#[test]
fn the_guide_to_tokio_starts_activates_and_gives_back() {
    use nodelock::{
        AsyncClient,
        testing::{Fault, Machine, TestAuthority},
    };
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1).unwrap();
    let client = AsyncClient::new(authority.client(&Machine::new("desk")).build().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert!(!tokio_guide::start(&client).await.unwrap());
        authority.fail(Fault::Silent);
        assert!(tokio_guide::activate(&client, &license_key, async {}).await.is_none());
        authority.fail(None);
        let activated = tokio_guide::activate(&client, &license_key, std::future::pending()).await;
        assert!(activated.unwrap().unwrap());
        assert!(tokio_guide::start(&client).await.unwrap());

        authority.fail(Fault::Down);
        assert!(tokio_guide::give_back(&client).await.is_err());
        authority.fail_next(None);
        let code = tokio_guide::give_back(&client).await.unwrap().unwrap();
        assert_eq!(code.len(), 29);
        authority.vendor().redeem_code(&code).unwrap();
        assert_eq!(authority.usage(&license_key).unwrap().taken, 0);
    });
}
