//! Long lists, a page for each call.

use std::str::FromStr;

use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::{LicenseId, Timestamp};
use utoipa::IntoParams;

use super::super::problem::Problem;

const MOST: u32 = 500;
const USUAL: u32 = 100;

/// Which page is asked for.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paged {
    /// What the page before has as `next`.
    after: Option<String>,
    /// How many at most; 100 unless said otherwise.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Which page, and of which license.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfLicense {
    /// The id of the only license that is of interest.
    license: Option<String>,
}

/// What tells an order from others of its id that are within reach.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfSeller {
    /// The id of its product.
    pub(super) product: Option<String>,
    /// The account of the reseller that sold it; empty for the vendor.
    pub(super) seller: Option<String>,
}

impl Paged {
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(USUAL) {
            limit @ 1..=MOST => Ok(limit),
            _ => Err(Problem::malformed("`limit` is from 1 to 500")),
        }
    }

    pub(super) fn after(&self) -> Result<Option<Cursor>, Problem> {
        self.after.as_deref().map(Cursor::read).transpose()
    }
}

/// The last thing of a page, for the next one. It is no secret and grants nothing.
pub(super) struct Cursor(Vec<String>);

impl Cursor {
    pub(super) fn text<const N: usize>(parts: [String; N]) -> String {
        URL_SAFE_NO_PAD.encode(parts.join("/"))
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
        Ok(Self(text.split('/').map(str::to_owned).collect()))
    }

    pub(super) fn part<T: FromStr>(&self, at: usize) -> Result<T, Problem> {
        self.0.get(at).and_then(|part| part.parse().ok()).ok_or_else(wrong)
    }

    /// A part and all that is behind it, as it was.
    pub(super) fn rest(&self, at: usize) -> Result<String, Problem> {
        self.0.get(at..).filter(|rest| !rest.is_empty()).map(|rest| rest.join("/")).ok_or_else(wrong)
    }

    pub(super) fn time(&self, at: usize) -> Result<Timestamp, Problem> {
        let seconds: u64 = self.part(at)?;
        if seconds > Timestamp::MAX.unix_seconds() {
            return Err(wrong());
        }
        Ok(Timestamp::from_unix_seconds(seconds))
    }
}

fn wrong() -> Problem {
    Problem::malformed("`after` is no `next` of a page")
}

/// The members of an address behind the question mark. None of ours has anything to escape, and others are passed over.
fn members(parts: &Parts) -> impl Iterator<Item = (&str, &str)> {
    parts.uri.query().unwrap_or_default().split('&').filter_map(|member| member.split_once('='))
}

impl<S: Sync> FromRequestParts<S> for Paged {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut paged = Self::default();
        for (name, value) in members(parts) {
            match name {
                "after" => paged.after = Some(value.to_owned()),
                "limit" => {
                    let limit = value.parse().map_err(|_| Problem::malformed("`limit` is from 1 to 500"));
                    paged.limit = Some(limit?);
                }
                _ => {}
            }
        }
        Ok(paged)
    }
}

impl OfLicense {
    pub(super) fn id(&self) -> Result<Option<LicenseId>, Problem> {
        let id = self.license.as_deref().map(str::parse).transpose();
        id.map_err(|_| Problem::malformed("`license` is no id of a license"))
    }
}

impl<S: Sync> FromRequestParts<S> for OfLicense {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let license = members(parts).find(|(name, _)| *name == "license");
        Ok(Self { license: license.map(|(_, value)| value.to_owned()) })
    }
}

impl<S: Sync> FromRequestParts<S> for OfSeller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut of = Self::default();
        for (name, value) in members(parts) {
            match name {
                "product" => of.product = Some(value.to_owned()),
                "seller" => of.seller = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(of)
    }
}
