//! What agreement and difference are worth, and how much is enough.

use serde::{Deserialize, Serialize};

use super::{component::Component, wire::MAX_ITEMS};
use crate::{Error, Result, codec};

/// The weight of one component in place of its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    component: u8,
    agree: i8,
    differ: i8,
}

impl Weight {
    /// The number of the component.
    pub fn component(&self) -> u8 {
        self.component
    }

    /// What agreement adds to the score.
    pub fn agree(&self) -> i8 {
        self.agree
    }

    /// What difference adds to the score; zero or negative.
    pub fn differ(&self) -> i8 {
        self.differ
    }
}

/// Weights and thresholds, as a license carries them.
///
/// The default has no overrides, accepts at 16 and gives 14 days of grace at 8 (docs/FINGERPRINT.md, Score). A
/// signed license can override all of it, so that a vendor can correct the weights without a new application
/// (docs/FINGERPRINT.md, Policy). The order of the fields is the wire format; reading refuses more than [`MAX_ITEMS`]
/// weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    #[serde(deserialize_with = "codec::list::<_, _, MAX_ITEMS>")]
    weights: Vec<Weight>,
    accept: i16,
    grace: i16,
    grace_days: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self { weights: Vec::new(), accept: 16, grace: 8, grace_days: 14 }
    }
}

impl Policy {
    /// This policy with other weights for `component`.
    ///
    /// With 0 for `agree` the component no longer counts as hardware-unique evidence; with 0 for both it
    /// does not count at all.
    ///
    /// Fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when `agree` is negative or `differ`
    /// positive, or when the policy is full.
    ///
    /// ```
    /// use nodelock::fingerprint::{Component, Policy};
    ///
    /// // A network card is easily changed here, so its address counts for less.
    /// let policy = Policy::default().with_weight(Component::Mac, 6, -1)?;
    /// assert_eq!(policy.weights()[0].agree(), 6);
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn with_weight(mut self, component: Component, agree: i8, differ: i8) -> Result<Self> {
        let name = component.name();
        if agree < 0 {
            let what = format!("weight of a fingerprint component that agrees ({name})");
            return Err(Error::range(&what, "", agree.into(), 0, i8::MAX.into()));
        }
        if differ > 0 {
            let what = format!("weight of a fingerprint component that differs ({name})");
            return Err(Error::range(&what, "", differ.into(), i8::MIN.into(), 0));
        }
        let weight = Weight { component: component.number(), agree, differ };
        self.weights.retain(|old| old.component != weight.component);
        if self.weights.len() >= MAX_ITEMS {
            return Err(Error::length("a fingerprint policy", "weights", MAX_ITEMS + 1, 0, MAX_ITEMS));
        }
        self.weights.push(weight);
        Ok(self)
    }

    /// This policy with other thresholds, in points of score.
    ///
    /// Fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when `grace` is above `accept`; equal
    /// values mean no grace.
    ///
    /// ```
    /// # use nodelock::fingerprint::Policy;
    /// let strict = Policy::default().with_thresholds(24, 24)?; // no grace
    /// assert_eq!((strict.accept(), strict.grace()), (24, 24));
    /// # Ok::<(), nodelock::Error>(())
    /// ```
    pub fn with_thresholds(mut self, accept: i16, grace: i16) -> Result<Self> {
        if grace > accept {
            return Err(Error::range(
                "threshold for grace",
                "",
                grace.into(),
                i16::MIN.into(),
                accept.into(),
            ));
        }
        (self.accept, self.grace) = (accept, grace);
        Ok(self)
    }

    /// This policy with `days` of grace.
    ///
    /// ```
    /// # use nodelock::fingerprint::Policy;
    /// assert_eq!(Policy::default().with_grace_days(30).grace_days(), 30);
    /// ```
    pub fn with_grace_days(mut self, days: u8) -> Self {
        self.grace_days = days;
        self
    }

    /// The overrides; of several for one component the first counts.
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    /// The least score that is accepted.
    pub fn accept(&self) -> i16 {
        self.accept
    }

    /// The least score that is granted grace.
    pub fn grace(&self) -> i16 {
        self.grace
    }

    /// Whether there is any score that is granted grace and no more.
    pub(crate) fn has_grace(&self) -> bool {
        self.grace < self.accept
    }

    /// How long grace lasts, in days.
    pub fn grace_days(&self) -> u8 {
        self.grace_days
    }

    /// What agreement and difference of `component` add to the score. (docs/FINGERPRINT.md, Components)
    pub(super) fn weight(&self, component: Component) -> (i32, i32) {
        let number = component.number();
        if let Some(weight) = self.weights.iter().find(|weight| weight.component == number) {
            return (weight.agree.into(), weight.differ.into());
        }
        match component {
            Component::OsId => (8, -3),
            Component::RootFs => (6, -2),
            Component::HwUuid => (16, -8),
            Component::BoardSerial => (12, -6),
            Component::DiskSerial => (14, -5),
            Component::Mac => (14, -6),
            Component::Model => (6, -8),
            Component::Cpu => (4, -5),
            Component::HostId => (16, -16),
        }
    }
}
