//! Messages that no vendor decided on, with signatures that hold: the work of somebody who has a key.

use bincode::Options as _;
use nodelock::{Body, Certificate, Signed, SigningKey};
use ring::signature::Ed25519KeyPair;

/// Somebody with a key, and the certificate that is sent along; none for a root.
pub struct Forger {
    pub key: SigningKey,
    pub certificate: Option<Certificate>,
}

impl Forger {
    /// The bytes of a genuine message with another content.
    pub fn sign<T: Body + Clone>(&self, genuine: &Signed<T>, change: impl FnOnce(&mut T)) -> Vec<u8> {
        let mut body = T::clone(genuine);
        change(&mut body);
        let body = bincode::DefaultOptions::new().serialize(&body).unwrap();
        let certificate = self.certificate.as_ref().map_or(&[][..], |certificate| certificate.as_bytes());
        envelope(&self.key, certificate, genuine.as_bytes()[3], T::KIND.media_type(), &body)
    }
}

/// The envelope of an authority around any body, signed as any media type.
pub fn envelope(key: &SigningKey, certificate: &[u8], kind: u8, media_type: &str, body: &[u8]) -> Vec<u8> {
    let mut envelope = vec![b'N', b'L', 1, kind];
    envelope.extend_from_slice(key.public_key().id().as_bytes());
    envelope.extend_from_slice(&(certificate.len() as u16).to_le_bytes());
    envelope.extend_from_slice(certificate);
    envelope.extend_from_slice(body);
    envelope.extend_from_slice(&signature(key, media_type, body));
    envelope
}

/// A signature over a body as any media type.
pub fn signature(key: &SigningKey, media_type: &str, body: &[u8]) -> Vec<u8> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&key.to_bytes()[..32]).unwrap();
    let mut signed = format!("DSSEv1 {} {media_type} {} ", media_type.len(), body.len()).into_bytes();
    signed.extend_from_slice(body);
    pair.sign(&signed).as_ref().to_vec()
}
