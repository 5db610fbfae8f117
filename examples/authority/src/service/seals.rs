//! The lines of the audit are sealed in batches, a moment after they were written: no act waits for that.
//!
//! A seal is signed while nothing is locked. Whoever seals looks, under the lock of the chain, whether it still ends
//! where it did; of several servers one is the first, and the others leave it at that.

use std::path::Path;

use nodelock::authority::Issuer;

use super::{Database, Service, notes::is_in_service, products, selling::source};
use crate::{
    domain::{Lines, NOTHING, Seal},
    failure::Result,
    keys,
    store::{self, Locks},
};

/// How many lines a seal has at most, so that sealing keeps nobody waiting for long.
const MOST: i64 = 1_000;

impl Service {
    /// Seals what was noted. Fails with [`CertificateExpired`](nodelock::ErrorKind::CertificateExpired), too.
    pub(crate) async fn seal(&self) -> Result<()> {
        let selling = self.sellings().first().clone();
        seal_with(self.database(), || Ok(selling.signer.issuer.clone())).await
    }
}

/// Seals what a command noted, with the keys in that folder if there is anything to seal. Where a server is at work,
/// that is left to it: a command would wait long for its turn to write. Fails as [`keys::load`] does, too.
pub(crate) async fn seal_audit(database: &Database, keys: &Path) -> Result<()> {
    let mut tx = database.read().await?;
    let now = store::clock(&mut tx).await?;
    if is_in_service(&mut tx, now).await? {
        return Ok(());
    }
    drop(tx);
    let products = products(database).await?;
    seal_with(database, || {
        let first = products.first().expect("an authority has a product");
        Ok(keys::load(&first.keys(keys), first.root, source(first))?.issuer)
    })
    .await
}

async fn seal_with(database: &Database, issuer: impl Fn() -> Result<Issuer>) -> Result<()> {
    while seal_batch(database, &issuer).await? {}
    Ok(())
}

/// Seals a batch of lines. Returns whether there may be more.
async fn seal_batch(database: &Database, issuer: &impl Fn() -> Result<Issuer>) -> Result<bool> {
    let mut tx = database.read().await?;
    let lines = store::unsealed_lines(&mut tx, MOST).await?;
    if lines.is_empty() {
        return Ok(false);
    }
    let last = store::last_seal(&mut tx).await?;
    // One time for all servers.
    let at = store::clock(&mut tx).await?;
    drop(tx);
    let mut batch = Lines::new();
    lines.iter().for_each(|(_, digest)| batch.add(digest));
    let (count, lines_digest) = batch.finish();
    let seal = Seal {
        number: last.as_ref().map_or(1, |last| last.number + 1),
        at,
        lines: count,
        lines_digest,
        previous: last.as_ref().map_or(NOTHING, Seal::digest),
    };
    let attestation = issuer()?.attest(&seal.statement(), at)?;
    let mut tx = database.write_with(&Locks::of_chain()).await?;
    let is_first = store::last_seal(&mut tx).await? == last
        && store::insert_seal(&mut tx, &seal, attestation, &lines).await?;
    if !is_first {
        tx.undo().await;
        return Ok(false);
    }
    tx.commit().await?;
    Ok(count == MOST as u64)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::{
        super::{
            fixture::{Authority, vendor},
            verify_audit,
        },
        *,
    };
    use crate::store::run_script;

    #[tokio::test]
    async fn a_long_audit_is_sealed_in_batches_and_signed_while_nothing_is_locked() {
        let authority = Authority::new().await;
        let database = authority.service.database();
        let lines = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1500) \
                     INSERT INTO audit (id, at, actor, action, detail) SELECT 'line ' || n, 0, 'http', 'refused', '' FROM numbers";
        let mut tx = database.write().await.unwrap();
        run_script(&mut tx, lines).await.unwrap();
        tx.commit().await.unwrap();
        let issuer = || {
            assert!(database.is_free(), "something is signed while the writer's lock is held");
            Ok(authority.service.sellings().first().signer.issuer.clone())
        };
        seal_with(database, issuer).await.unwrap();
        // What has a seal gets no second one.
        authority.service.seal().await.unwrap();
        let verified = verify_audit(database, &[], &vendor()).await.unwrap();
        let chain = verified.chain;
        assert_eq!((chain.seals, chain.lines, chain.unsealed, verified.found), (2, 1501, 0, 0));
    }

    // The thread waits for connections that this test's runtime looks after.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whoever_finds_a_longer_chain_leaves_it_as_it_is() {
        let authority = Authority::new().await;
        let database = authority.service.database();
        let issuer = authority.service.sellings().first().signer.issuer.clone();
        let (looked, has_looked) = mpsc::channel();
        let (sealed, is_sealed) = mpsc::channel::<()>();
        let slow = thread::spawn({
            let database = database.clone();
            move || {
                let issuer = || {
                    looked.send(()).unwrap();
                    is_sealed.recv().unwrap();
                    Ok(issuer.clone())
                };
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(seal_batch(&database, &issuer)).unwrap()
            }
        });
        has_looked.recv().unwrap();
        authority.service.seal().await.unwrap();
        sealed.send(()).unwrap();
        assert!(!slow.join().unwrap(), "it leaves the rest to the faster one");
        let verified = verify_audit(database, &[], &vendor()).await.unwrap();
        assert_eq!((verified.chain.seals, verified.chain.lines, verified.found), (1, 1, 0));
    }
}
