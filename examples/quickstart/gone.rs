//! Machines that are gone, and their seats: a disk that was formatted, and a computer that died. The vendor does
//! nothing.

use std::path::Path;

use nodelock::{
    ActivationRequestOptions, Client, Clock as _, ErrorKind, Verdict,
    fingerprint::{Component, Probe},
};

use super::{PRODUCT, Result, builder, expect, step, vendor::Vendor};

/// The hardware of a computer of that name, and the operating system that was installed on it for the so manieth time.
pub fn computer(name: &str, installation: u32) -> Probe {
    let values = [
        (
            Component::HwUuid,
            format!("4c4c4544-0042-3510-8052-{:012x}", u64::from_be_bytes(padded(name)) >> 16),
        ),
        (Component::DiskSerial, format!("disk of the {name} 2718281")),
        (Component::Model, "Framework Laptop 13".to_owned()),
        (Component::Cpu, "AuthenticAMD 25 116 1 Ryzen 7".to_owned()),
        (Component::OsId, format!("0af1{installation:0>4}{name:0>24}")),
    ];
    Probe::from_values(values, false, false)
}

fn padded(name: &str) -> [u8; 8] {
    let mut bytes = [b'0'; 8];
    bytes.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    bytes
}

/// A license of one seat outlives three computers.
pub fn run(folder: &Path) -> Result<()> {
    step("A computer with the only seat of its license");
    let mut vendor = Vendor::new(PRODUCT, 1)?;
    let first = application(&folder.join("first"), &vendor, "laptop", 1)?;
    activate(&first, &mut vendor, "laptop")?;
    println!("Its license: {}. {} of 1 seats taken.", first.check()?.verdict(), vendor.usage().taken);

    step("Its disk is formatted, and the customer enters the same license key again");
    // Nothing is left of the store, and the seat was not given back. The hardware is known again.
    vendor.calendar.advance_days(3);
    let again = application(&folder.join("formatted"), &vendor, "laptop", 2)?;
    activate(&again, &mut vendor, "laptop")?;
    expect(vendor.usage().taken == 1, "it took the place of its own seat")?;
    expect(vendor.usage().deactivated == 0, "no deactivation was used up")?;
    println!("Its license: {}. {} of 1 seats taken.", again.check()?.verdict(), vendor.usage().taken);

    step("It dies, and the customer buys another computer");
    vendor.calendar.advance_days(2);
    let tower = application(&folder.join("tower"), &vendor, "tower", 1)?;
    let request =
        tower.begin(ActivationRequestOptions::of_key(&vendor.license_key).metadata("computer", "tower"))?;
    let refused = vendor.activate(&request.to_bytes()).err().ok_or("the only seat is taken")?;
    expect(refused.kind() == ErrorKind::NoFreeSeat, "no seat is free")?;
    let seats = refused.seats().ok_or("a refusal for want of a seat says what there is")?;
    let [dead] = &seats.seats[..] else { return Err("one seat is listed".into()) };
    let lapses = dead.lapses.ok_or("its lease ends")?;
    expect(!dead.replaceable, "it was heard of this week")?;
    println!("Refused, as it should be: {refused}. Seat {}, free on {lapses} at the latest.", dead.handle);

    step("A week later it may take the dead computer's place");
    vendor.calendar.advance_days(7);
    tower.cancel()?;
    let request = tower.begin(
        ActivationRequestOptions::of_key(&vendor.license_key)
            .metadata("computer", "tower")
            .instead_of(dead.handle),
    )?;
    tower.accept(vendor.activate(&request.to_bytes())?.as_bytes())?;
    expect(vendor.usage().taken == 1, "one seat was taken for another")?;
    println!("Its license: {}. {} of 1 seats taken.", tower.check()?.verdict(), vendor.usage().taken);

    step("That computer dies too, and this time the customer waits");
    // The license allows one replacement a year. A seat that nobody renews is free after its lease and a margin.
    let waiting = application(&folder.join("waiting"), &vendor, "desktop", 1)?;
    let request = waiting
        .begin(ActivationRequestOptions::of_key(&vendor.license_key).metadata("computer", "desktop"))?;
    let refused = vendor.activate(&request.to_bytes()).err().ok_or("the only seat is taken")?;
    let lapse = refused.seats().and_then(|seats| seats.next_lapse).ok_or("it says when to ask again")?;
    let days = lapse.since(vendor.calendar.now()).as_secs().div_ceil(86_400);
    println!("Refused: {refused}. The next seat is free in {days} days.");
    vendor.calendar.advance_days(days);
    waiting.accept(vendor.activate(&request.to_bytes())?.as_bytes())?;
    expect(vendor.usage().taken == 1, "the dead computer's seat has lapsed")?;
    expect(!tower.check()?.is_usable(), "its lease has ended before")?;
    println!("Its license: {}. {} of 1 seats taken.", waiting.check()?.verdict(), vendor.usage().taken);
    Ok(())
}

/// The application on a computer whose calendar is the vendor's.
fn application(folder: &Path, vendor: &Vendor, name: &'static str, installation: u32) -> Result<Client> {
    let application = builder(folder, vendor.roots()).clock(vendor.calendar.clone());
    Ok(application.probe(move || computer(name, installation)).build()?)
}

fn activate(client: &Client, vendor: &mut Vendor, name: &str) -> Result<()> {
    let request =
        client.begin(ActivationRequestOptions::of_key(&vendor.license_key).metadata("computer", name))?;
    client.accept(vendor.activate(&request.to_bytes())?.as_bytes())?;
    expect(*client.check()?.verdict() == Verdict::Active, "the computer is licensed")
}
