//! What is said, and what all parties know from the start.

use std::{cell::RefCell, collections::HashMap, fmt, rc::Rc, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Rules, authority::Ledger};
use crate::{
    ActivationRequest, Binding, LicenseBody, LicenseId, Outcome, Page, Random, Reason, ReceiptBody, Result,
    RevocationBody, Roots, SigningKey, Timestamp,
    authority::{
        ActivationFile, ApprovalPolicy, CheckInClaim, Evidence, LicenseTerms, PreflightClaim, Records,
        ReleaseClaim, SeatName, TypedCode,
        decision::{self, Decision, Moment, Refusal, Step},
    },
    code::{DeactivationCode, Handle, ReleaseSecret},
    fingerprint::{Component, Fingerprint, Probe, TagKey},
    message::{
        CheckInBody, PreflightBody, ProofBody, RecoveryBody, RequestBody, Signed,
        frame::bundle,
        product_tag,
        request::{commitment, replacing},
    },
    record::{Activation, Pending},
};

/// When everything begins. What depends on shorter times than [`STEP`] has tests of its own.
pub(super) const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// How many days a step of the authority's time has: more than a margin must have.
pub(super) const STEP: u32 = 4;

/// The number under which the activations of a copy are known: the first machine's key on the second one's hardware.
pub(super) const COPY: u8 = 2;

const PRODUCT: &str = "Example Editor";

/// One activation: the how-manieth of which machine. Stands for handle and device key, which are a seat's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) machine: u8,
    pub(super) draw: u8,
}

impl Name {
    /// The name's bit in a set of names.
    pub(super) fn bit(self) -> u32 {
        1 << (self.machine * 8 + self.draw)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(b'A' + self.machine), self.draw + 1)
    }
}

/// A deactivation proof, with the cancelled request beside it or alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Proof {
    pub(super) name: Name,
    /// Whether no license ever came.
    pub(super) cancelled: bool,
    pub(super) request: bool,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = if self.cancelled { " of a cancelled request" } else { "" };
        write!(f, "proof {:?}{cancelled}{}", self.name, if self.request { " + request" } else { "" })
    }
}

/// The license that comes along with a check-in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Along {
    pub(super) page: u8,
    pub(super) ends: Timestamp,
    pub(super) by: Signer,
}

/// Who signed it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Signer {
    Authority,
    /// Somebody with a key of its own.
    Stranger,
    /// Somebody who stole the authority's key.
    Thief,
    /// The authority, for the device that has the seat; the other machine checks in with it.
    ForAnotherDevice,
}

/// The last receipt or revocation that a device got: of which seat, where that went, under which page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) struct Word {
    pub(super) name: Name,
    /// None is a revocation.
    pub(super) outcome: Option<Outcome>,
    pub(super) page: u8,
}

/// What travels. Each is what a reader knows once it has verified it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Message {
    /// A request, with the proofs that were outstanding, and the statement that the store was lost.
    Request {
        name: Name,
        releases: Vec<Proof>,
        recovery: bool,
        word: Option<Word>,
    },
    Proof(Proof),
    Code(Name),
    /// A check-in of a device whose license has that revision, and what came along.
    CheckIn {
        name: Name,
        revision: u32,
        hardware: u8,
        along: Option<Along>,
    },
    License {
        name: Name,
        deactivations_left: Option<u32>,
        revision: u32,
        /// When it ends, which is not later than [`Timestamp::MAX`].
        ends: Timestamp,
        page: u8,
    },
    Receipt {
        name: Name,
        outcome: Outcome,
        deactivations_left: Option<u32>,
        page: u8,
    },
    Revocation(Name, u8),
}

impl Message {
    pub(super) fn is_for_the_authority(&self) -> bool {
        matches!(self, Self::Request { .. } | Self::Proof(_) | Self::Code(_) | Self::CheckIn { .. })
    }
}

impl Message {
    /// The activation whose device says it; none for what the authority says.
    pub(super) fn sender(&self) -> Option<Name> {
        match self {
            Self::Request { name, .. } | Self::Code(name) | Self::CheckIn { name, .. } => Some(*name),
            Self::Proof(proof) => Some(proof.name),
            Self::License { .. } | Self::Receipt { .. } | Self::Revocation(..) => None,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = |left: &Option<u32>| left.map(|n| format!(" ({n} left)")).unwrap_or_default();
        match self {
            Self::Request { name, releases, recovery, word } => {
                write!(f, "{} {name:?}", if *recovery { "recovery" } else { "request" })?;
                if let Some(word) = word {
                    write!(f, " with {word:?}")?;
                }
                if releases.is_empty() { Ok(()) } else { write!(f, " with {releases:?}") }
            }
            Self::Proof(proof) => proof.fmt(f),
            Self::Code(name) => write!(f, "code {name:?}"),
            Self::CheckIn { name, revision, hardware, along } => {
                write!(f, "check-in {name:?} at revision {revision} from machine {hardware}")?;
                match along {
                    Some(along) => write!(f, ", its license by {:?} of page {}", along.by, along.page),
                    None => Ok(()),
                }
            }
            Self::License { name, deactivations_left, revision, ends, page } => {
                let steps = ends.since(NOW).as_secs() / (u64::from(STEP) * 86_400);
                let left = left(deactivations_left);
                write!(f, "license {name:?} revision {revision} of page {page} to {steps}{left}")
            }
            Self::Receipt { name, outcome, deactivations_left, .. } => {
                write!(f, "receipt {name:?} {outcome}{}", left(deactivations_left))
            }
            Self::Revocation(name, _) => write!(f, "revocation {name:?}"),
        }
    }
}

/// A message as the authority reads it.
pub(super) enum Read {
    File(Box<ActivationFile>),
    Claim(Box<ReleaseClaim>),
    Code(TypedCode),
    CheckIn(Box<CheckInClaim>),
}

/// What never changes.
pub(super) struct Universe {
    pub(super) rules: Rules,
    pub(super) terms: LicenseTerms,
    /// The terms once the vendor has changed them.
    pub(super) new_terms: LicenseTerms,
    devices: [Device; 3],
    roots: Arc<Roots>,
    root: SigningKey,
    stranger: SigningKey,
    /// Messages that were signed and read, each once.
    read: RefCell<HashMap<Message, Rc<Read>>>,
    /// What was verified, each once.
    facts: RefCell<Records>,
}

struct Device {
    key: SigningKey,
    fingerprint: Fingerprint,
    requests: Vec<ActivationRequest>,
}

impl Universe {
    pub(super) fn new(rules: Rules) -> Self {
        let id = LicenseId::from_bytes(*b"licensed");
        let mut terms = LicenseTerms::new(id, PRODUCT, rules.seats, NOW);
        terms.deactivations = rules.deactivations;
        terms.activations = rules.activations;
        terms.period_days = (rules.period > 0).then(|| u32::from(rules.period) * STEP);
        terms.reinstalls = Some(rules.reinstalls);
        terms.replace = Some(rules.replace);
        terms.trial_days = (rules.trial > 0).then(|| u32::from(rules.trial) * STEP);
        if rules.approval {
            terms.approval = ApprovalPolicy::Required;
        }
        if rules.days > 0 {
            terms.lease_days = Some(rules.leases[0] * STEP);
            terms.margin_days = Some(STEP);
        }
        let lease_days = terms.lease_days.filter(|_| rules.days == 0).or(Some(rules.leases[1] * STEP));
        let new_terms = LicenseTerms { lease_days, ..terms.clone() };
        let devices =
            [0, 1, COPY].map(|machine| Device::new(rules, machine).expect("constants are random enough"));
        let [root, stranger] =
            [77, 78].map(|seed| SigningKey::generate(&Constant(seed)).expect("random enough"));
        let roots = Arc::new(Roots::new([root.public_key()]));
        let (read, facts) = (RefCell::default(), RefCell::default());
        Self { rules, terms, new_terms, devices, roots, root, stranger, read, facts }
    }

    /// How many draws a machine has in the search.
    pub(super) fn draws(&self, machine: u8) -> u8 {
        draws(self.rules, machine)
    }

    /// The draw with which the drain recovers what a lost store held.
    pub(super) fn draw_of_recovery(&self, machine: u8) -> u8 {
        self.draws(machine)
    }

    /// The draw that shows that a seat which was freed can be had.
    pub(super) fn draw_of_another(&self, machine: u8) -> u8 {
        self.draws(machine) + 1
    }

    pub(super) fn handle(&self, name: Name) -> Handle {
        handle(self.rules, name)
    }

    /// The activation of that handle, if it is one of that machine.
    pub(super) fn find_name(&self, machine: u8, handle: Handle) -> Option<Name> {
        self.names(machine).find(|name| self.handle(*name) == handle)
    }

    fn names(&self, machine: u8) -> impl Iterator<Item = Name> + use<> {
        (0..=self.draw_of_another(machine)).map(move |draw| Name { machine, draw })
    }

    pub(super) fn holder(&self, seat: SeatName) -> Name {
        let is_of_key =
            |machine: &u8| self.devices[usize::from(*machine)].key.public_key() == seat.device_key;
        let machines = [0, 1, COPY].into_iter().filter(is_of_key);
        let mut names = machines.filter_map(|machine| self.find_name(machine, seat.handle));
        names.next().expect("a machine drew it")
    }

    /// The seat of an activation.
    pub(super) fn name_of_seat(&self, name: Name) -> SeatName {
        let device = &self.devices[usize::from(name.machine)];
        SeatName { handle: self.handle(name), device_key: device.key.public_key() }
    }

    /// Every activation of the device key that a machine has.
    pub(super) fn names_of_key(&self, machine: u8) -> u32 {
        let machines = [0, 1, COPY].into_iter().filter(|other| self.have_one_key(machine, *other));
        machines.flat_map(|machine| self.names(machine)).fold(0, |set, name| set | name.bit())
    }

    /// Whether activations of these numbers are of one device key.
    pub(super) fn have_one_key(&self, machine: u8, other: u8) -> bool {
        machine % 2 == other % 2
    }

    /// The machine that asked for an activation.
    pub(super) fn side(&self, name: Name) -> u8 {
        if name.machine == COPY { 1 } else { name.machine }
    }

    /// The computer that an activation was asked for on.
    pub(super) fn hardware(&self, name: Name) -> u8 {
        self.hardware_of(self.side(name))
    }

    /// The computer that a machine is.
    pub(super) fn hardware_of(&self, side: u8) -> u8 {
        hardware(self.rules, side)
    }

    /// When the device made a request, by its own clock.
    pub(super) fn created(&self, name: Name) -> Timestamp {
        self.request(name).created
    }

    /// The activation that evidence is about.
    pub(super) fn name_of_evidence(&self, evidence: &Evidence) -> Name {
        let names = [0, 1, COPY].into_iter().flat_map(|machine| self.names(machine));
        let mut names = names.filter(|name| self.handle(*name) == evidence.handle());
        let is_about = |name: &Name| match evidence {
            Evidence::Proof(claim) => claim.is_about(self.request(*name)),
            Evidence::Code(code) => *code.secret() == secret(*name),
        };
        names.find(is_about).expect("a machine said it")
    }

    pub(super) fn digest(&self, name: Name) -> [u8; 32] {
        self.request(name).digest()
    }

    /// The record's part of a new request. The envelope is opaque to every transition, so a name will do.
    pub(super) fn pending(&self, name: Name, recovers: bool) -> Pending {
        Pending {
            activation: Activation {
                handle: self.handle(name),
                secret: secret(name),
                request_digest: self.digest(name),
            },
            request: vec![name.machine, name.draw].into(),
            recovery: recovers.then(|| Vec::new().into()),
            aside: None,
        }
    }

    /// A decision, made and stored.
    pub(super) fn settle(
        &self,
        ledger: &mut Ledger<'_>,
        (now, page): (Timestamp, u8),
        act: impl Fn(&Records, &Moment) -> Result<Step, Refusal>,
    ) -> Result<Decision> {
        let (page, longest_lease) = (self::page(page), self.longest_lease());
        let moment = Moment { now, token: [0; 16], page, longest_lease, roots: Arc::clone(&self.roots) };
        let facts = &mut *self.facts.borrow_mut();
        decision::settle_with(facts, ledger, |records| act(records, &moment))
    }

    /// M, the longest lease that the authority signs.
    fn longest_lease(&self) -> Duration {
        let steps = self.rules.leases.into_iter().max().unwrap_or_default();
        Duration::from_secs(u64::from(steps * STEP) * 86_400)
    }

    /// A message as the authority reads it. A decision takes what it knows only from what a device signed, so each
    /// message is made, signed and read, once.
    pub(super) fn read(&self, message: &Message) -> Rc<Read> {
        if let Some(read) = self.read.borrow().get(message) {
            return read.clone();
        }
        let read = Rc::new(self.sign(message).expect("the bodies are valid"));
        self.read.borrow_mut().insert(message.clone(), read.clone());
        read
    }

    /// A device's question whether its seat may be given up.
    pub(super) fn preflight(&self, name: Name) -> PreflightClaim {
        let body =
            PreflightBody { handle: self.handle(name), nonce: [0; 16], time: NOW, extensions: Vec::new() };
        let signed = Signed::sign_by_device(body, &self.device(name).key).expect("the body is valid");
        PreflightClaim::read(signed.as_bytes()).expect("it was just made")
    }

    fn sign(&self, message: &Message) -> Result<Read> {
        Ok(match message {
            Message::Request { name, releases, recovery, word } => {
                let mut envelopes = vec![self.request(*name).as_bytes().to_vec()];
                if *recovery {
                    envelopes.push(self.recovery(*name)?);
                }
                envelopes.extend(word.map(|word| self.word(word)).transpose()?);
                for proof in releases {
                    envelopes.extend(self.proof(*proof)?);
                }
                Read::File(ActivationFile::read(&bundled(&envelopes))?.into())
            }
            Message::Proof(proof) => Read::Claim(ReleaseClaim::read(&bundled(&self.proof(*proof)?))?.into()),
            Message::Code(name) => {
                let code = DeactivationCode::new(self.handle(*name), secret(*name));
                Read::Code(TypedCode::read(&code.to_string())?)
            }
            Message::CheckIn { name, revision, hardware, along } => {
                let is_others = along.is_some_and(|along| along.by == Signer::ForAnotherDevice);
                let device = if is_others { &self.devices[1] } else { self.device(*name) };
                let fingerprint = self.devices[usize::from(*hardware)].fingerprint.clone();
                let check_in = CheckInBody {
                    handle: self.handle(*name),
                    nonce: [u8::try_from(*revision).expect("few"); 16],
                    sync_token: [0; 16],
                    revision: *revision,
                    time: NOW,
                    fingerprint,
                    library: String::new(),
                    application: String::new(),
                    extensions: Vec::new(),
                };
                let mut envelopes = vec![Signed::sign_by_device(check_in, &device.key)?.as_bytes().to_vec()];
                envelopes.extend(along.map(|along| self.license(*name, *revision, along)).transpose()?);
                Read::CheckIn(CheckInClaim::read(&bundled(&envelopes))?.into())
            }
            Message::License { .. } | Message::Receipt { .. } | Message::Revocation(..) => {
                unreachable!("these are for a machine")
            }
        })
    }

    /// The license that comes along with a check-in, as far as a decision looks at it.
    fn license(&self, name: Name, revision: u32, along: Along) -> Result<Vec<u8>> {
        let (device, request) = (self.device(name), self.request(name));
        let body = LicenseBody {
            license_id: self.terms.id,
            product: PRODUCT.to_owned(),
            handle: self.handle(name),
            device_key: device.key.public_key(),
            release_commitment: request.release_commitment,
            licensee: String::new(),
            edition: String::new(),
            features: Vec::new(),
            metadata: Vec::new(),
            issued: time_of(along.page),
            starts: NOW,
            expires: None,
            lease_until: (along.ends != Timestamp::MAX).then_some(along.ends),
            renew_after: None,
            updates_until: None,
            baseline: device.fingerprint.clone(),
            policy: self.terms.policy.clone(),
            deactivations_left: None,
            request_digest: request.digest(),
            answers: None,
            revision,
            sync_token: [0; 16],
            page: page(along.page),
            extensions: Vec::new(),
        };
        let key = if along.by == Signer::Stranger { &self.stranger } else { &self.root };
        Ok(Signed::sign_by_authority(body, key, None)?.as_bytes().to_vec())
    }

    fn word(&self, word: Word) -> Result<Vec<u8>> {
        let (handle, device_key) = (self.handle(word.name), self.device(word.name).key.public_key());
        let (time, page, extensions) = (time_of(word.page), page(word.page), Vec::new());
        Ok(match word.outcome {
            Some(outcome) => {
                let (deactivations_left, binding) = (None, Binding::Proof([0; 32]));
                let body = ReceiptBody {
                    handle,
                    device_key,
                    outcome,
                    deactivations_left,
                    time,
                    binding,
                    page,
                    extensions,
                };
                Signed::sign_by_authority(body, &self.root, None)?.as_bytes().to_vec()
            }
            None => {
                let body =
                    RevocationBody { handle, device_key, reason: String::new(), time, page, extensions };
                Signed::sign_by_authority(body, &self.root, None)?.as_bytes().to_vec()
            }
        })
    }

    fn recovery(&self, name: Name) -> Result<Vec<u8>> {
        let device = self.device(name);
        let recovery = RecoveryBody {
            device_key: device.key.public_key(),
            product: PRODUCT.to_owned(),
            request: self.digest(name),
            time: NOW,
            extensions: Vec::new(),
        };
        Ok(Signed::sign_by_device(recovery, &device.key)?.as_bytes().to_vec())
    }

    fn proof(&self, proof: Proof) -> Result<Vec<Vec<u8>>> {
        let digest = self.digest(proof.name);
        let body = ProofBody {
            product_tag: product_tag(PRODUCT),
            license_id: if proof.cancelled { LicenseId::NONE } else { self.terms.id },
            handle: self.handle(proof.name),
            generation: 1,
            time: 0,
            reason: if proof.cancelled { Reason::Cancelled } else { Reason::Moved },
            flags: 0,
            request: crate::keys::first(&digest),
            extensions: Vec::new(),
        };
        let proof_alone = Signed::sign_by_device(body, &self.device(proof.name).key)?.as_bytes().to_vec();
        let request = proof.request.then(|| self.request(proof.name).as_bytes().to_vec());
        Ok(std::iter::once(proof_alone).chain(request).collect())
    }

    fn device(&self, name: Name) -> &Device {
        &self.devices[usize::from(name.machine)]
    }

    fn request(&self, name: Name) -> &ActivationRequest {
        &self.device(name).requests[usize::from(name.draw)]
    }
}

impl Device {
    fn new(rules: Rules, machine: u8) -> Result<Self> {
        let key = SigningKey::generate(&Constant(machine % 2 + 1))?;
        let hardware = hardware(rules, if machine == COPY { 1 } else { machine });
        let values = [Component::HwUuid, Component::DiskSerial, Component::BoardSerial]
            .map(|component| (component, format!("4c4c4544-0042-3510-8052-b7c04f38{hardware:04}")));
        let fingerprint = Probe::from_values(values, false, false).fingerprint(&TagKey::new("", PRODUCT));
        let behind = if rules.is_behind && machine == 1 { 3 * 86_400 } else { 0 };
        let names = rules.replace > 0 && machine == 1;
        let request = |draw: u8| {
            let name = Name { machine, draw };
            let handle = handle(rules, name);
            let body = RequestBody {
                device_key: key.public_key(),
                product: PRODUCT.to_owned(),
                license_key: String::new(),
                handle,
                release_commitment: commitment(&secret(name), handle, &key.public_key()),
                // The device's clock goes on, if the authority's does not.
                created: Timestamp::from_unix_seconds(NOW.unix_seconds() + u64::from(draw) - behind),
                fingerprint: fingerprint.clone(),
                library: String::new(),
                application: String::new(),
                metadata: Vec::new(),
                extensions: names
                    .then(|| replacing(self::handle(rules, Name { machine: 0, draw: 0 })))
                    .into_iter()
                    .collect::<Result<_>>()?,
            };
            Signed::sign_by_device(body, &key)
        };
        let requests = (0..draws(rules, machine) + 2).map(request).collect::<Result<_>>()?;
        Ok(Self { key, fingerprint, requests })
    }
}

/// The page of a number: that of the day, and after the ledger was restored another one.
pub(super) fn page(number: u8) -> Page {
    Page::from_bytes([number; 8])
}

/// What is added to a day for a page after the ledger was restored.
pub(super) const RESTORED: u8 = 100;

/// When something was signed under a page.
fn time_of(page: u8) -> Timestamp {
    NOW.plus_days(u32::from(page % RESTORED) * STEP)
}

fn hardware(rules: Rules, side: u8) -> u8 {
    if rules.one_hardware { 0 } else { side }
}

fn draws(rules: Rules, machine: u8) -> u8 {
    match machine {
        COPY if rules.copies => rules.draws[1],
        COPY => 0,
        _ => rules.draws[usize::from(machine)],
    }
}

fn handle(rules: Rules, name: Name) -> Handle {
    let machine = if rules.same_handles { 0 } else { u32::from(name.machine) };
    Handle::new(machine * 16 + u32::from(name.draw)).expect("30 bits are plenty")
}

fn secret(name: Name) -> ReleaseSecret {
    ReleaseSecret::from_random([name.machine * 16 + name.draw + 1; 8])
}

fn bundled(envelopes: &[Vec<u8>]) -> Vec<u8> {
    bundle(&envelopes.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The same bytes every time, so that every run is the same run.
struct Constant(u8);

impl Random for Constant {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(self.0);
        Ok(())
    }
}
