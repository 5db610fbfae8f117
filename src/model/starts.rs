//! Stories of one device over days: how often its starts ask an authority that does not answer, and how long a machine
//! that has changed stays usable (`docs/PROTOCOL.md`, Starts and A changed machine). What must be is reckoned from what
//! happened alone, and each rule is switched off in turn.

use super::{Mutant, Switched, random::Dice};
use crate::{
    ErrorKind, LicenseBody, LicenseId, Page, Random as _, SigningKey, Timestamp,
    code::{Handle, ReleaseSecret},
    fingerprint::{Fingerprint, Policy, Probe, TagKey},
    licensing_time::Reading,
    record::{Activation, LicenseFacts, Pending, Record},
    system::SystemRandom,
    verdict::{self, Machine, Situation},
};

const START: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;
const STORIES: u64 = 300;
const ACTS: usize = 60;
/// The pauses after so many starts that asked in vain, in seconds.
const PAUSES: [u64; 7] = [60, 120, 240, 480, 960, 1920, 3600];

/// A device with a license, and what happened to it.
struct Device {
    record: Record,
    activation: Activation,
    revision: u32,
    license: LicenseBody,
    now: u64,
}

impl Device {
    fn new(license: &LicenseBody) -> Self {
        let handle = license.handle;
        let secret = ReleaseSecret::from_random([7; 8]);
        let activation = Activation { handle, secret, request_digest: license.request_digest };
        let mut record = Record::new();
        let request = vec![1].into();
        record
            .begin(Pending { activation: activation.clone(), request, recovery: None, aside: None })
            .unwrap();
        let mut device = Self { record, activation, revision: 0, license: license.clone(), now: START };
        device.install(true);
        device
    }

    fn reading(&self) -> Reading {
        Reading { local: Timestamp::from_unix_seconds(self.now), running: None, boot: None }
    }

    /// The license comes again, or a later one.
    fn install(&mut self, is_later: bool) {
        self.revision += u32::from(is_later);
        let facts = LicenseFacts {
            handle: self.activation.handle,
            request_digest: self.activation.request_digest,
            license_id: self.license.license_id,
            deactivations_left: None,
            revision: self.revision,
            envelope: &[1],
        };
        self.record.install(&facts, None).unwrap();
        self.record.time.observe(self.reading());
    }

    fn is_usable(&self, machine: Machine) -> bool {
        let changed_since = self.record.changed_since.unwrap_or(self.record.time.recorded());
        let time = self.record.time.at(self.reading());
        let situation = Situation { time, machine, changed_since, released: None };
        verdict::judge(&self.license, &situation).is_usable()
    }
}

fn license() -> LicenseBody {
    let key = SigningKey::generate(&SystemRandom).unwrap();
    let mut digest = [0; 32];
    SystemRandom.fill(&mut digest).unwrap();
    let nothing: Fingerprint =
        Probe::from_values([], false, false).fingerprint(&TagKey::new("", "Example Editor"));
    LicenseBody {
        license_id: LicenseId::from_bytes([1; 8]),
        product: "Example Editor".to_owned(),
        handle: Handle::new(1).unwrap(),
        device_key: key.public_key(),
        release_commitment: [7; 32],
        licensee: String::new(),
        edition: String::new(),
        features: Vec::new(),
        metadata: Vec::new(),
        issued: Timestamp::from_unix_seconds(START),
        starts: Timestamp::from_unix_seconds(START),
        expires: None,
        lease_until: None,
        renew_after: None,
        updates_until: None,
        baseline: nothing,
        policy: Policy::default(),
        deactivations_left: None,
        request_digest: digest,
        answers: None,
        revision: 1,
        sync_token: [0; 16],
        page: Page::from_bytes([0; 8]),
        extensions: Vec::new(),
    }
}

/// The days of grace of one story. The device's clock is right.
fn tell_of_grace(number: u64, license: &LicenseBody) -> Result<(), String> {
    let mut dice = Dice(number);
    let mut device = Device::new(license);
    let grace = u64::from(license.policy.grace_days()) * DAY;
    let (mut machine, mut recorded, mut since) = (Machine::Fits, START, None::<u64>);
    for act in 0..ACTS {
        device.now += DAY / 2 * dice.below(12) as u64;
        match dice.below(10) {
            0 => machine = Machine::Fits,
            1 | 2 => machine = Machine::Changed,
            3 => machine = Machine::Hidden,
            4 => {
                device.install(true);
                (since, recorded) = (None, device.now);
            }
            5 => {
                device.install(false);
                recorded = device.now;
            }
            6..=8 => {
                device.record.observe(machine, device.reading());
                since = match machine {
                    Machine::Changed => since.or(Some(device.now)),
                    Machine::Hidden => since.or(Some(recorded)),
                    Machine::Fits | Machine::Another => None,
                };
                recorded = device.now;
            }
            _ => {}
        }
        let is_over = machine != Machine::Fits && device.now >= since.unwrap_or(recorded) + grace;
        if device.is_usable(machine) == is_over {
            return Err(format!("story {number}, act {act}: {machine:?}, over: {is_over}"));
        }
    }
    Ok(())
}

/// What starts ask for in one story, each by itself.
fn tell_of_starts(number: u64, license: &LicenseBody) -> Result<(), String> {
    let mut dice = Dice(!number);
    let mut device = Device::new(license);
    // How many starts asked in vain since the last answer, and when the last one did.
    let (mut vain, mut last) = (0, START);
    for act in 0..ACTS {
        let longest = dice.one_of(&[2, 90, 400, 4000]);
        device.now += dice.below(longest) as u64;
        let is_usable = !dice.once_in(4);
        let pause = if is_usable { PAUSES[vain.clamp(1, PAUSES.len()) - 1] } else { PAUSES[0] };
        let may_ask = vain == 0 || device.now >= last + pause;
        let now = Timestamp::from_unix_seconds(device.now);
        let asked = device.record.ask_at_start(now, is_usable);
        if asked.is_ok() != may_ask {
            return Err(format!("story {number}, act {act}: {vain} in vain, may ask: {may_ask}"));
        }
        let Ok(before) = asked else { continue };
        let noted = (vain, last);
        (vain, last) = (vain + 1, device.now);
        match dice.below(8) {
            0 => {
                device.record.asked_at_start(None, now);
                vain = 0;
            }
            1 => {
                device.install(true);
                vain = 0;
            }
            2 => {
                device.record.gave_up_asking_at_start(before, now);
                (vain, last) = noted;
            }
            // It was killed.
            3 | 4 => {}
            _ => device.record.asked_at_start(Some(ErrorKind::Unreachable), now),
        }
    }
    Ok(())
}

fn tell_all() -> Result<(), String> {
    let license = license();
    (0..STORIES).try_for_each(|number| {
        tell_of_grace(number, &license).map_err(|wrong| format!("grace: {wrong}"))?;
        tell_of_starts(number, &license).map_err(|wrong| format!("starts: {wrong}"))
    })
}

#[test]
fn starts_and_days_of_grace_are_what_happened_makes_them() {
    tell_all().unwrap();
}

#[test]
fn faults_in_starts_and_in_days_of_grace_are_noticed() {
    for (mutant, what) in [
        (Mutant::GraceNeverEnds, "grace"),
        (Mutant::GraceStartsAnew, "grace"),
        (Mutant::HiddenCountsFromNow, "grace"),
        (Mutant::SameLicenseEndsGrace, "grace"),
        (Mutant::StartsAskAlways, "starts"),
        (Mutant::StartsAskUnnoted, "starts"),
        (Mutant::PausesStayShort, "starts"),
    ] {
        let _switched = Switched::on(Some(mutant));
        let wrong = tell_all().expect_err(&format!("{mutant:?} changes nothing"));
        println!("{mutant:?}: {wrong}");
        assert!(wrong.starts_with(what), "{mutant:?}: {wrong}");
    }
}
