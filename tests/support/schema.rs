//! A reader of JSON schemas for the tests of programs: what a program prints is held against its description.

use nodelock::{
    Timestamp,
    code::{DeactivationCode, Handle},
};
use serde_json::Value;

/// Fails unless the definition of that name in `schema` describes the value.
pub fn check(schema: &str, name: &str, value: &Value) {
    if let Err(why) = fits_definition(schema, name, value) {
        panic!("{name}: {why}: {value}");
    }
}

/// Why the definition of that name does not describe the value.
pub fn fits_definition(schema: &str, name: &str, value: &Value) -> Result<(), String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let definition = &schema["$defs"][name];
    assert!(definition.is_object(), "the schema has no {name}");
    fits(&schema, definition, value)
}

/// Why a value does not fit. Knows the keywords that the schema uses, and no others.
fn fits(schema: &Value, definition: &Value, value: &Value) -> Result<(), String> {
    for (keyword, rule) in definition.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                fits(schema, &schema["$defs"][name], value)?;
            }
            "anyOf" => {
                let faults: Vec<_> = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(|one| fits(schema, one, value).err())
                    .collect();
                if faults.len() == rule.as_array().unwrap().len() {
                    return Err(faults.join(", or "));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                return Err(format!("{value} is none of {rule}"));
            }
            "type" if !is_of_type(rule.as_str().unwrap(), value) => {
                return Err(format!("{value} is no {rule}"));
            }
            "minimum" if value.as_i64().is_none_or(|number| number < rule.as_i64().unwrap()) => {
                return Err(format!("{value} is below {rule}"));
            }
            "pattern" if !matches(rule.as_str().unwrap(), value.as_str().unwrap_or_default()) => {
                return Err(format!("{value} is not like {rule}"));
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(schema, rule, item)?;
                }
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(definition) = rule.get(name) {
                        fits(schema, definition, member).map_err(|why| format!("{name}: {why}"))?;
                    }
                }
            }
            "required" => {
                let missing = |name: &&Value| value.get(name.as_str().unwrap()).is_none();
                if let Some(name) = rule.as_array().unwrap().iter().find(missing) {
                    return Err(format!("{name} is missing"));
                }
            }
            "additionalProperties" | "unevaluatedProperties" => {
                assert_eq!(rule, false);
                let unknown = |name: &&String| !is_described(schema, definition, name);
                if let Some(name) = value.as_object().and_then(|members| members.keys().find(unknown)) {
                    return Err(format!("{name} is not described"));
                }
            }
            "enum" | "type" | "minimum" | "pattern" => {}
            other => panic!("the keyword {other} is not understood"),
        }
    }
    Ok(())
}

/// Whether an object that is described so may have the member.
fn is_described(schema: &Value, definition: &Value, name: &str) -> bool {
    let elsewhere = definition["$ref"].as_str().and_then(|other| other.strip_prefix("#/$defs/"));
    definition["properties"].get(name).is_some()
        || elsewhere.is_some_and(|other| is_described(schema, &schema["$defs"][other], name))
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => panic!("the type {name} is not understood"),
    }
}

/// The patterns of the schema, by what they stand for.
fn matches(pattern: &str, text: &str) -> bool {
    let is_hex = |length| text.len() == length && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    match pattern {
        "^[0-9a-f]{16}$" => is_hex(16),
        "^[0-9a-f]{32}$" => is_hex(32),
        "^[a-z]+(-[a-z]+)*$" => {
            !text.is_empty() && text.split('-').all(|word| word.chars().all(|c| c.is_ascii_lowercase()))
        }
        "^[0-9A-HJKMNP-TV-Z]{6}$" => text.parse::<Handle>().is_ok_and(|seat| seat.to_string() == text),
        "^1[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{5}){4}$" => {
            DeactivationCode::read(text).is_ok_and(|read| read[0].code.to_string() == text)
        }
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$" => {
            text.parse::<Timestamp>().is_ok_and(|time| time.to_string() == text)
        }
        _ => panic!("the pattern {pattern} is not understood"),
    }
}
