//! Who may do what: one table of roles and acts.
//!
//! A service asks for a [`Permit`] before it does anything, and only this table gives one. The store writes no line
//! of the audit without one, and the driver decides nothing, so a service that forgets to ask does not compile. What
//! a role may do with a part of the ledger alone is its [`Reach`], which the service checks against what the act is
//! about.

use std::{fmt, ops::Deref, str::FromStr};

use nodelock::{LicenseId, Random as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::{Actor, Occasion, Who};

/// An enum whose values have names, all of them in a list.
macro_rules! named {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $value:ident = $name:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub(crate) enum $type { $($(#[$doc])* #[serde(rename = $name)] $value),+ }

        impl $type {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$value),+];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|value| value.name() == text);
                found.copied().ok_or_else(|| {
                    let names: Vec<&str> = Self::ALL.iter().map(|value| value.name()).collect();
                    format!("one of {} is expected", names.join(", "))
                })
            }
        }
    };
}
pub(super) use named;

named! {
    /// What a person of the vendor's is there for.
    Role {
        /// Everything.
        Owner = "owner",
        /// Sells, and changes what was sold.
        Vendor = "vendor",
        /// Helps customers with what they bought.
        Support = "support",
        /// Looks, and changes nothing.
        Auditor = "auditor",
        /// Sells, and sees what it sold.
        Reseller = "reseller",
    }
}

named! {
    /// What a program of the vendor's may do with its token.
    Scope {
        ProductsWrite = "products:write",
        LicensesRead = "licenses:read",
        LicensesWrite = "licenses:write",
        SeatsWrite = "seats:write",
        ReportsRead = "reports:read",
        WebhooksWrite = "webhooks:write",
    }
}

named! {
    /// What the authority can be asked to do.
    Act {
        /// Set up, copy, restore, vouch for the ledger.
        Ledger = "ledger",
        /// Make and change accounts.
        Accounts = "accounts",
        /// Make and revoke tokens and deployment keys.
        Tokens = "tokens",
        /// Change the issuer's certificate.
        Issuer = "issuer",
        /// Make and change products and their templates.
        Products = "products",
        Sell = "sell",
        /// Change what was sold.
        Edit = "edit",
        Suspend = "suspend",
        Resume = "resume",
        Rekey = "rekey",
        /// Give used-up activations and deactivations back.
        ResetCounters = "reset-counters",
        /// Let a license last some days more.
        Extend = "extend",
        /// Let the trial of a machine last some days more, whoever sold the licenses.
        ExtendTrial = "extend-trial",
        /// Erase what is noted of a customer.
        Erase = "erase",
        ShowLicenses = "show-licenses",
        ShowSeats = "show-seats",
        /// Show what devices were refused, and why.
        ShowRefusals = "show-refusals",
        /// Answer an activation.
        Activate = "activate",
        /// Answer a check-in.
        CheckIn = "check-in",
        /// Take in a proof or a code.
        Redeem = "redeem",
        /// Renew the license of a seat by hand.
        Renew = "renew",
        /// Free a seat whose machine is gone.
        Release = "release",
        /// Return a held seat to the pool.
        ReturnHeld = "return-held",
        /// Approve an activation that waits, or refuse it.
        Approve = "approve",
        /// Answer a device's question whether it may give its seat up.
        Preflight = "preflight",
        /// Show a license to whoever has its key.
        ShowHolding = "show-holding",
        /// Free a seat for whoever has the license key.
        CustomerRelease = "customer-release",
        ShowAudit = "show-audit",
        Verify = "verify",
        /// Add, change and test webhooks, and see what they were told.
        Webhooks = "webhooks",
        /// Have a license's customer be sent its key, which nobody else sees.
        SendKey = "send-key",
        /// See what customers were mailed, and have it mailed once more.
        Mails = "mails",
        /// Sign in and out, and see who one is.
        Oneself = "oneself",
    }
}

/// What a role may do with an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    No,
    All,
    /// With the licenses that it sold.
    Own,
    /// So often within [`QUOTA_DAYS`].
    Quota(u32),
}

/// Who may do it without a credential of the vendor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Nobody,
    /// Devices and customers: what they hand in is proof enough, or the decision says what is missing.
    Anybody,
    /// They, and a machine with a deployment key.
    Machines,
}

/// A row of the table.
struct Rule {
    roles: [Right; Role::ALL.len()],
    scope: Option<Scope>,
    others: Others,
}

/// The days that a quota is for.
pub(crate) const QUOTA_DAYS: u32 = 30;

/// The table. An act without a row does not compile.
fn rule(act: Act) -> Rule {
    use Others::{Anybody, Machines, Nobody};
    use Right::{All, No, Own, Quota};
    use Scope::{LicensesRead, LicensesWrite, ProductsWrite, ReportsRead, SeatsWrite, WebhooksWrite};
    let (roles, scope, others) = match act {
        //                        owner vendor support auditor reseller   token                 others
        Act::Ledger => ([All, No, No, No, No], None, Nobody),
        Act::Accounts => ([All, No, No, No, No], None, Nobody),
        Act::Tokens => ([All, No, No, No, No], None, Nobody),
        Act::Issuer => ([All, No, No, No, No], None, Nobody),
        Act::Products => ([All, All, No, No, No], Some(ProductsWrite), Nobody),
        Act::Sell => ([All, All, No, No, Own], Some(LicensesWrite), Nobody),
        Act::Edit => ([All, All, No, No, Own], Some(LicensesWrite), Nobody),
        Act::Suspend => ([All, All, No, No, Own], Some(LicensesWrite), Nobody),
        Act::Resume => ([All, All, No, No, Own], Some(LicensesWrite), Nobody),
        Act::Rekey => ([All, All, No, No, Own], Some(LicensesWrite), Nobody),
        Act::ResetCounters => ([All, All, Quota(20), No, No], Some(LicensesWrite), Nobody),
        Act::Extend => ([All, All, Quota(20), No, Own], Some(LicensesWrite), Nobody),
        Act::ExtendTrial => ([All, All, Quota(20), No, No], Some(LicensesWrite), Nobody),
        Act::Erase => ([All, All, No, No, No], None, Nobody),
        Act::ShowLicenses => ([All, All, All, All, Own], Some(LicensesRead), Nobody),
        Act::ShowSeats => ([All, All, All, All, Own], Some(LicensesRead), Nobody),
        Act::ShowRefusals => ([All, All, All, All, Own], Some(LicensesRead), Nobody),
        Act::Activate => ([All, All, All, No, No], Some(SeatsWrite), Machines),
        Act::CheckIn => ([All, All, All, No, No], Some(SeatsWrite), Anybody),
        Act::Redeem => ([All, All, All, No, No], Some(SeatsWrite), Anybody),
        Act::Renew => ([All, All, All, No, No], Some(SeatsWrite), Nobody),
        Act::Release => ([All, All, All, No, No], Some(SeatsWrite), Nobody),
        Act::ReturnHeld => ([All, All, All, No, No], Some(SeatsWrite), Nobody),
        Act::Approve => ([All, All, All, No, Own], Some(SeatsWrite), Nobody),
        Act::Preflight => ([No, No, No, No, No], None, Anybody),
        Act::ShowHolding => ([No, No, No, No, No], None, Anybody),
        Act::CustomerRelease => ([No, No, No, No, No], None, Anybody),
        Act::ShowAudit => ([All, All, No, All, No], Some(ReportsRead), Nobody),
        Act::Verify => ([All, All, No, All, No], Some(ReportsRead), Nobody),
        Act::Webhooks => ([All, All, No, No, No], Some(WebhooksWrite), Nobody),
        Act::SendKey => ([All, All, All, No, Own], Some(LicensesWrite), Nobody),
        Act::Mails => ([All, All, All, No, No], Some(LicensesWrite), Nobody),
        Act::Oneself => ([All, All, All, All, All], None, Nobody),
    };
    Rule { roles, scope, others }
}

/// How often a role may do an act within [`QUOTA_DAYS`], unless an account has another quota; none without one.
pub(crate) fn quota(role: Role, act: Act) -> Option<u32> {
    match rule(act).roles[role as usize] {
        Right::Quota(most) => Some(most),
        _ => None,
    }
}

/// The part of the ledger that an act may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Everything,
    /// A product, by its name.
    Product(String),
    /// What an account sold.
    SoldBy(String),
    /// One license.
    License(LicenseId),
}

/// What an act is about, as far as a reach asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) license: Option<LicenseId>,
    pub(crate) product: String,
    /// The account that sold it, if one did.
    pub(crate) sold_by: Option<String>,
}

/// What is counted in the transaction of what an act changes.
#[derive(Clone, Debug)]
pub(crate) struct Spending {
    /// Names this one, so that several lines of one act count once.
    pub(crate) id: [u8; 8],
    pub(crate) of: Spender,
}

#[derive(Clone, Debug)]
pub(crate) enum Spender {
    /// An account, which may do it so often within [`QUOTA_DAYS`], unless its record says otherwise.
    Account { name: String, most: u32 },
    /// A deployment key, by its id.
    DeploymentKey(String),
}

/// Why an act is not permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The table says no.
    Act,
    /// What the act is about is none of the actor's.
    Reach,
}

/// That an actor may do something, now. Nothing else makes one than [`Asked`], so it stands for the table's yes.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    occasion: &'a Occasion,
    act: Act,
    reach: Reach,
    spending: Option<Spending>,
    /// Whether it is one of many such acts, of which people are told once.
    is_one_of_many: bool,
}

/// What the table says before it is known what the act is about.
#[derive(Debug)]
pub(crate) struct Asked<'a>(Permit<'a>);

/// Asks the table. Fails with [`Denied::Act`], and when no randomness can be had.
pub(crate) fn ask(occasion: &Occasion, act: Act) -> Result<Asked<'_>, Denied> {
    let rule = rule(act);
    let permit = |reach, spender: Option<Spender>| {
        let spending = spender.map(|of| Spending { id: some_id(), of });
        Ok(Asked(Permit { occasion, act, reach, spending, is_one_of_many: false }))
    };
    let (reach, spender) = match &occasion.actor {
        Actor::Vendor(_) => (Reach::Everything, None),
        Actor::Peer(_) if rule.others == Others::Nobody => return Err(Denied::Act),
        Actor::Peer(_) => (Reach::Everything, None),
        Actor::Bearer(bearer) => match &bearer.who {
            Who::Account { name, role } => match rule.roles[*role as usize] {
                Right::No => return Err(Denied::Act),
                Right::All => (Reach::Everything, None),
                Right::Own => (Reach::SoldBy(name.clone()), None),
                Right::Quota(most) => {
                    (Reach::Everything, Some(Spender::Account { name: name.clone(), most }))
                }
            },
            // Whoever has a credential may see whose it is.
            Who::Token { .. } if act == Act::Oneself => (Reach::Everything, None),
            Who::Token { scopes, product, .. } => match (rule.scope, product) {
                (Some(scope), None) if scopes.contains(&scope) => (Reach::Everything, None),
                (Some(scope), Some(product)) if scopes.contains(&scope) => {
                    (Reach::Product(product.clone()), None)
                }
                _ => return Err(Denied::Act),
            },
            Who::DeploymentKey { id, license } => match rule.others {
                Others::Machines => (Reach::License(*license), Some(Spender::DeploymentKey(id.clone()))),
                Others::Nobody | Others::Anybody => return Err(Denied::Act),
            },
        },
    };
    permit(reach, spender)
}

/// Two of one account within a month differ well enough with what there is when no randomness can be had.
fn some_id() -> [u8; 8] {
    let mut id = [0; 8];
    let _ = SystemRandom.fill(&mut id);
    id
}

impl<'a> Asked<'a> {
    pub(crate) fn reach(&self) -> &Reach {
        &self.0.reach
    }

    /// For an act about the whole authority. Fails with [`Denied::Reach`].
    pub(crate) fn whole(self) -> Result<Permit<'a>, Denied> {
        if self.0.reach == Reach::Everything { Ok(self.0) } else { Err(Denied::Reach) }
    }

    /// For an act that looks at each thing by [`Permit::reaches`].
    pub(crate) fn each(self) -> Permit<'a> {
        self.0
    }

    /// For an act about one thing. Fails with [`Denied::Reach`].
    pub(crate) fn about(self, subject: &Subject) -> Result<Permit<'a>, Denied> {
        if self.0.reaches(subject) { Ok(self.0) } else { Err(Denied::Reach) }
    }
}

impl<'a> Permit<'a> {
    /// To note that something was refused, which everybody has to bear.
    pub(crate) fn to_note_refusal(occasion: &'a Occasion) -> Self {
        let (act, reach) = (Act::Oneself, Reach::Everything);
        Self { occasion, act, reach, spending: None, is_one_of_many: false }
    }

    /// The same for each of many such acts: whoever asks tells people of all of them at the end.
    pub(crate) fn one_of_many(self) -> Self {
        Self { is_one_of_many: true, ..self }
    }

    pub(crate) fn is_one_of_many(&self) -> bool {
        self.is_one_of_many
    }

    pub(crate) fn act(&self) -> Act {
        self.act
    }

    pub(crate) fn spending(&self) -> Option<&Spending> {
        self.spending.as_ref()
    }

    /// Whether that is of the part of the ledger that the actor may deal with.
    pub(crate) fn reaches(&self, subject: &Subject) -> bool {
        match &self.reach {
            Reach::Everything => true,
            Reach::Product(product) => *product == subject.product,
            Reach::SoldBy(name) => {
                subject.sold_by.as_ref() == Some(name)
                    // What is only being sold is its own.
                    || (self.act == Act::Sell && subject.license.is_none())
            }
            Reach::License(license) => subject.license == Some(*license),
        }
    }

    /// The account of a reseller who sells.
    pub(crate) fn reseller(&self) -> Option<&str> {
        match &self.reach {
            Reach::SoldBy(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }
}

impl Deref for Permit<'_> {
    type Target = Occasion;

    fn deref(&self) -> &Occasion {
        self.occasion
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nodelock::Timestamp;

    use super::*;
    use crate::domain::Bearer;

    fn occasion(actor: Actor) -> Occasion {
        Occasion { time: Timestamp::from_unix_seconds(1_790_000_000), actor }
    }

    fn bearer(who: Who) -> Occasion {
        occasion(Actor::Bearer(Arc::new(Bearer::new(who, [192, 0, 2, 1].into(), Arc::default()))))
    }

    fn token(scopes: &[Scope], product: Option<&str>) -> Occasion {
        let product = product.map(str::to_owned);
        bearer(Who::Token { id: "t".into(), scopes: scopes.to_vec(), product })
    }

    fn account(role: Role) -> Occasion {
        bearer(Who::Account { name: "jane".into(), role })
    }

    fn letter(occasion: &Occasion, act: Act) -> char {
        match ask(occasion, act) {
            Err(_) => '-',
            Ok(asked) if asked.0.spending.is_some() => 'q',
            Ok(asked) if *asked.reach() == Reach::Everything => 'x',
            Ok(_) => 'o',
        }
    }

    /// Written down once more, by hand: a change of a right is two changes.
    const EXPECTED: &str = "\
ledger           x----  ------  --
accounts         x----  ------  --
tokens           x----  ------  --
issuer           x----  ------  --
products         xx---  x-----  --
sell             xx--o  --x---  --
edit             xx--o  --x---  --
suspend          xx--o  --x---  --
resume           xx--o  --x---  --
rekey            xx--o  --x---  --
reset-counters   xxq--  --x---  --
extend           xxq-o  --x---  --
extend-trial     xxq--  --x---  --
erase            xx---  ------  --
show-licenses    xxxxo  -x----  --
show-seats       xxxxo  -x----  --
show-refusals    xxxxo  -x----  --
activate         xxx--  ---x--  xq
check-in         xxx--  ---x--  x-
redeem           xxx--  ---x--  x-
renew            xxx--  ---x--  --
release          xxx--  ---x--  --
return-held      xxx--  ---x--  --
approve          xxx-o  ---x--  --
preflight        -----  ------  x-
show-holding     -----  ------  x-
customer-release -----  ------  x-
show-audit       xx-x-  ----x-  --
verify           xx-x-  ----x-  --
webhooks         xx---  -----x  --
send-key         xxx-o  --x---  --
mails            xxx--  --x---  --
oneself          xxxxx  xxxxxx  --
";

    #[test]
    fn each_role_scope_and_stranger_may_do_what_the_table_says_and_no_more() {
        let mut table = String::new();
        for act in Act::ALL {
            let roles: String = Role::ALL.iter().map(|role| letter(&account(*role), *act)).collect();
            let scopes: String =
                Scope::ALL.iter().map(|scope| letter(&token(&[*scope], None), *act)).collect();
            let peer = letter(&occasion(Actor::Peer([192, 0, 2, 1].into())), *act);
            let license = LicenseId::NONE;
            let machine = letter(&bearer(Who::DeploymentKey { id: "d".into(), license }), *act);
            table += &format!("{:<16} {roles}  {scopes}  {peer}{machine}\n", act.name());
            assert_eq!(letter(&occasion(Actor::Vendor("root".into())), *act), 'x', "the operator may do all");
            assert_eq!(letter(&token(&[], None), *act), if *act == Act::Oneself { 'x' } else { '-' });
        }
        assert_eq!(table, EXPECTED, "\n{table}");
    }

    #[test]
    fn what_is_out_of_reach_is_refused_and_the_whole_is_out_of_every_reach() {
        let license = LicenseId::NONE;
        let subject = |product: &str, sold_by: Option<&str>| Subject {
            license: Some(license),
            product: product.into(),
            sold_by: sold_by.map(str::to_owned),
        };
        let editor = token(&[Scope::LicensesWrite], Some("Editor"));
        let about = |of: &Subject| ask(&editor, Act::Edit).unwrap().about(of).map(drop);
        assert_eq!(about(&subject("Editor", None)), Ok(()));
        assert_eq!(about(&subject("Viewer", None)), Err(Denied::Reach));
        assert_eq!(ask(&editor, Act::Edit).unwrap().whole().map(drop), Err(Denied::Reach));

        let jane = account(Role::Reseller);
        let about = |of: &Subject| ask(&jane, Act::Edit).unwrap().about(of).map(drop);
        assert_eq!(about(&subject("Editor", Some("jane"))), Ok(()));
        assert_eq!(about(&subject("Editor", Some("john"))), Err(Denied::Reach));
        assert_eq!(about(&subject("Editor", None)), Err(Denied::Reach));
        let new = Subject { license: None, ..subject("Editor", None) };
        assert_eq!(ask(&jane, Act::Sell).unwrap().about(&new).map(drop), Ok(()));
        assert_eq!(ask(&jane, Act::Edit).unwrap().about(&new).map(drop), Err(Denied::Reach));
    }
}
