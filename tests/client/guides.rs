//! The code of the guides (docs/guides), to the letter, and what it does.

use std::{fs, future, path::Path};

use nodelock::{
    AsyncClient,
    testing::{Fault, Machine, TestAuthority},
};

#[path = "guides/testing.rs"]
mod testing_guide;
#[path = "guides/tokio.rs"]
mod tokio_guide;

#[test]
fn the_code_that_is_tested_is_the_guides() {
    for (name, code) in
        [("testing", include_str!("guides/testing.rs")), ("tokio", include_str!("guides/tokio.rs"))]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/guides/{name}.md"));
        let guide = fs::read_to_string(path).unwrap();
        let blocks: Vec<_> = guide.split("```rust\n").skip(1).map(|rest| rest.split("```").next()).collect();
        assert_eq!(blocks, [Some(code)], "docs/guides/{name}.md and tests/client/guides/{name}.rs");
    }
}

#[test]
fn the_guide_to_tokio_starts_activates_and_gives_back() {
    let authority = TestAuthority::new("Example Editor");
    let license_key = authority.sell(1).unwrap();
    let client = AsyncClient::new(authority.client(&Machine::new("desk")).build().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert!(!tokio_guide::start(&client).await.unwrap());
        authority.fail(Fault::Silent);
        assert!(tokio_guide::activate(&client, &license_key, async {}).await.is_none());
        authority.fail(None);
        let activated = tokio_guide::activate(&client, &license_key, future::pending()).await;
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
