//! A call that is made again is answered as it was before, and does nothing.
//!
//! The caller names a call by a key. What it was answered is kept, and so is the digest of what it asked. An answer may
//! hold a license key, so it is sealed: what opens it is made from the caller's own secret, of which the ledger has the
//! hash alone.

use nodelock::{Random as _, SystemRandom};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{Context, SHA256},
    hkdf::{HKDF_SHA256, Salt},
};

use super::{Service, permit::On};
use crate::{
    domain::{Answered, Occasion, rights::Act},
    failure::{Failure, Result},
    store,
};

/// What the seal is for, so that the same secret makes no other key elsewhere.
const PURPOSE: &[u8] = b"nodelock authority: answer to a call";

/// One call, by the key that its caller gave it.
pub(crate) struct Once {
    /// Finds the answer.
    id: Vec<u8>,
    /// Tells the same call from another one under the same key.
    digest: Vec<u8>,
    seal: LessSafeKey,
}

impl Once {
    /// `secret` is the caller's own, `key` what it names the call by, and `asked` all that the call says.
    pub(crate) fn new(secret: &str, key: &str, asked: &[&[u8]]) -> Result<Self> {
        let id = digest_of(&[PURPOSE, secret.as_bytes(), key.as_bytes()]);
        let failed = |_| Failure::Usage("no key can be made of that".into());
        let extracted = Salt::new(HKDF_SHA256, PURPOSE).extract(secret.as_bytes());
        let info = [key.as_bytes()];
        let sealing = extracted.expand(&info, &AES_256_GCM).map_err(failed)?;
        Ok(Self { id, digest: digest_of(asked), seal: LessSafeKey::new(UnboundKey::from(sealing)) })
    }

    /// An answer as it is kept.
    pub(crate) fn sealed(&self, answer: &str) -> Result<Answered> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom.fill(&mut nonce)?;
        let mut sealed = answer.as_bytes().to_vec();
        let failed = |_| Failure::Usage("the answer is too long to be kept".into());
        let with = Nonce::assume_unique_for_key(nonce);
        self.seal.seal_in_place_append_tag(with, Aad::from(&self.digest), &mut sealed).map_err(failed)?;
        let sealed = [&nonce[..], &sealed].concat();
        Ok(Answered { id: self.id.clone(), digest: self.digest.clone(), sealed })
    }

    /// The answer that was kept. Fails with [`Failure::KeyReused`].
    fn answer(&self, kept: Option<Answered>) -> Result<Option<String>> {
        match kept {
            None => Ok(None),
            Some(kept) if kept.digest != self.digest => Err(Failure::KeyReused),
            Some(kept) => self.opened(&kept.sealed).map(Some).ok_or(Failure::KeyReused),
        }
    }

    fn opened(&self, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut opened = sealed.to_vec();
        let with = Nonce::assume_unique_for_key(*nonce);
        let opened = self.seal.open_in_place(with, Aad::from(&self.digest), &mut opened).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

/// Each part with its length before it, so that no two lists have one digest.
fn digest_of(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

impl Service {
    /// What a call was answered before; none if it was not made yet.
    ///
    /// Fails with [`Failure::KeyReused`] when something else was asked under that key.
    pub(crate) async fn answered(&self, once: &Once, occasion: &Occasion) -> Result<Option<String>> {
        self.permit(occasion, Act::Oneself, On::Whole).await?;
        once.answer(store::answered(&mut self.database.read().await?, &once.id).await?)
    }

    /// The same of a call that may be under way: its transaction is waited for.
    pub(crate) async fn answered_meanwhile(
        &self,
        once: &Once,
        occasion: &Occasion,
    ) -> Result<Option<String>> {
        self.permit(occasion, Act::Oneself, On::Whole).await?;
        let mut tx = self.database.write().await?;
        let kept = store::answered(&mut tx, &once.id).await?;
        // What was read may be on its way to the disk still.
        tx.commit().await?;
        once.answer(kept)
    }

    /// Keeps the answer to a call that changed nothing.
    ///
    /// Fails with [`Failure::AnsweredBefore`] when the same call at the same time was faster.
    pub(crate) async fn keep_answer(&self, once: &Once, answer: &str, occasion: &Occasion) -> Result<()> {
        self.permit(occasion, Act::Oneself, On::Whole).await?;
        let mut tx = self.database.write().await?;
        store::keep_answer(&mut tx, &once.sealed(answer)?, occasion.time).await?;
        tx.commit().await
    }
}
