//! Long lists, a page for each call.

use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nodelock::LicenseId;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::IntoParams;

use super::super::problem::{Problem, json_text};
use crate::{
    domain::filter::{Filter, List, Mark},
    service::Wanted,
};

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

/// Which rows of a list.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filtered {
    /// Those alone that pass it, such as `product:editor created<2026-08-01`: terms of the list's fields, all of which
    /// hold. `:` is equal to, `~` begins with, `<`, `<=`, `>=` and `>` compare times. A value with spaces is quoted.
    #[param(max_length = 1000)]
    filter: Option<String>,
}

impl Filtered {
    /// Fails for what is no filter of that list, with the place of the error.
    pub(super) fn read(&self, list: List) -> Result<Filter, Problem> {
        Ok(self.filter.as_deref().map_or(Ok(Filter::all(list)), |text| Filter::read(list, text))?)
    }
}

impl<S: Sync> FromRequestParts<S> for Filtered {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let members = parts.uri.query().unwrap_or_default().split('&');
        let mut said = members.filter(|member| member.split('=').next() == Some("filter"));
        let filter = match (said.next().map(|member| member.split_once('=')), said.next()) {
            (None, _) => None,
            (Some(Some((_, value))), None) => Some(decoded(value)?),
            // Whoever filters must not be shown what does not pass.
            _ => return Err(Problem::malformed("`filter` is said once, with a value")),
        };
        Ok(Self { filter })
    }
}

/// What a member of an address says. Fails for what is no text in the form of addresses.
pub(super) fn decoded(value: &str) -> Result<String, Problem> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut rest) = (Vec::new(), value.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.first()), digit(rest.get(1)));
                let byte = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                rest = rest.get(2..).unwrap_or_default();
                byte.ok_or_else(malformed)?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> Problem {
    Problem::malformed("the address is not in the form of addresses")
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

    pub(super) fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        let cursor = self.after.as_deref().map(Cursor::read).transpose()?;
        Ok(cursor.map(|Cursor(place)| place))
    }

    /// The page of a list that is asked for.
    pub(super) fn of(&self, filter: Filter) -> Result<Wanted, Problem> {
        Ok(Wanted { filter, after: self.after()?, most: self.limit()? })
    }
}

/// The last thing of a page, for the next one. It is no secret and grants nothing.
pub(crate) struct Cursor<T>(pub(crate) T);

impl<T: Serialize> Cursor<T> {
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(json_text(&self.0))
    }
}

impl<T: DeserializeOwned> Cursor<T> {
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let place: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        if has_nul(&place) {
            return Err(wrong());
        }
        serde_json::from_value(place).map(Self).map_err(|_| wrong())
    }
}

/// Whether a text in it has a letter that PostgreSQL knows no texts with.
fn has_nul(place: &Value) -> bool {
    match place {
        Value::String(text) => text.contains('\0'),
        Value::Array(parts) => parts.iter().any(has_nul),
        _ => false,
    }
}

/// The `next` of a list; none after the last page.
pub(super) fn next(place: Option<Vec<Mark>>) -> Option<String> {
    place.map(|place| Cursor(place).text())
}

fn wrong() -> Problem {
    Problem::malformed("`after` is no `next` of a page")
}

/// The members of an address behind the question mark, as they stand there. Others than ours are passed over.
pub(super) fn members(parts: &Parts) -> impl Iterator<Item = (&str, &str)> {
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

/// Of which device.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfDevice {
    /// The key of the device, should several have a seat of that handle.
    pub(super) device: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for OfDevice {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let device = members(parts).find(|(name, _)| *name == "device");
        Ok(Self { device: device.map(|(_, value)| decoded(value)).transpose()? })
    }
}

/// Of what was told, only what was given up.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OnlyAside {
    /// Only what was given up.
    aside: Option<bool>,
}

impl OnlyAside {
    /// The state of what is shown; none for every one.
    pub(super) fn state(&self) -> Option<&'static str> {
        self.aside.unwrap_or(false).then_some("aside")
    }
}

impl<S: Sync> FromRequestParts<S> for OnlyAside {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let aside = members(parts).find(|(name, _)| *name == "aside").map(|(_, value)| value.parse());
        let aside = aside.transpose().map_err(|_| Problem::malformed("`aside` is true or false"))?;
        Ok(Self { aside })
    }
}

/// Where a list without an end begins.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Latest {
    /// Without `after`: the page begins so many lines before the end.
    latest: Option<u32>,
}

impl Latest {
    pub(super) fn lines(&self) -> Option<u32> {
        self.latest
    }
}

impl<S: Sync> FromRequestParts<S> for Latest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let latest = members(parts).find(|(name, _)| *name == "latest").map(|(_, value)| value.parse());
        let latest = latest.transpose().map_err(|_| Problem::malformed("`latest` is a number of lines"))?;
        Ok(Self { latest })
    }
}

/// Of which license.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfLicense {
    /// The id of the only license that is of interest.
    license: Option<String>,
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
