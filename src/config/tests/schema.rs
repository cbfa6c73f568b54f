//! The schema and the reader agree: in `load` and `report`, on every config of these tests; here, on what neither of them tries.

use super::keys::FILE;
use super::*;
use crate::config::schema::{misfit, schema};

#[test]
fn it_is_a_schema_with_every_key_and_a_word_about_it() {
    assert!(jsonschema::meta::is_valid(&schema()), "no JSON Schema");
    for table in FILE.all() {
        let names: Vec<&str> =
            table.header.trim_matches(['[', ']']).split('.').filter(|name| !name.is_empty()).collect();
        let mut place = &schema();
        for name in names {
            place = &place["properties"][name];
            place = if place["type"] == "array" { &place["items"] } else { place };
        }
        assert_eq!(place["additionalProperties"], false, "{}", table.header);
        for key in table.keys {
            let found = &place["properties"][key.name];
            assert_eq!(found["description"], key.doc, "{} {}", table.header, key.name);
            assert_eq!(found["default"].is_null(), key.default.is_none(), "{} {}", table.header, key.name);
            let required = place["required"].as_array().is_some_and(|all| all.contains(&key.name.into()));
            assert_eq!(required, key.required, "{} {}", table.header, key.name);
        }
    }
}

/// Each default and each example is a value of its key.
#[test]
fn defaults_and_examples_fit() {
    for table in FILE.all() {
        for key in table.keys {
            for value in [Some(key.example), key.default].into_iter().flatten() {
                let header = table.header;
                // Certificate and key come together.
                let other = match key.name {
                    "client_cert_file" => "\nclient_key_file = \"k.pem\"",
                    "client_key_file" => "\nclient_cert_file = \"c.pem\"",
                    _ => "",
                };
                let line = format!("{} = {value}{other}", key.name);
                let camera = "[[camera]]\nid = \"a\"\nurl = \"test://\"\n";
                let rule = "[[camera.rule]]\nid = \"a\"\nask = \"Is it?\"\n";
                let text = match header {
                    "" => format!("{line}\n{camera}"),
                    "[[camera]]" if ["id", "url"].contains(&key.name) => camera.to_owned(),
                    "[[camera]]" => format!("{camera}{line}\n"),
                    "[[camera.rule]]" if ["id", "ask"].contains(&key.name) => format!("{camera}{rule}"),
                    "[[camera.rule]]" => format!("{camera}{rule}{line}\n"),
                    "[camera.gate]" => format!("{camera}{header}\n{line}\n"),
                    "[mqtt]" if key.name != "url" => {
                        let pair = match key.name {
                            "client_cert_file" => "client_key_file = \"/key.pem\"",
                            "client_key_file" => "client_cert_file = \"/cert.pem\"",
                            _ => "",
                        };
                        format!("{header}\nurl = \"mqtt://a\"\n{line}\n{pair}\n{camera}")
                    }
                    _ => continue,
                };
                assert_eq!(misfit(&text), None, "{text}");
            }
        }
    }
}

#[test]
fn what_is_wrong_by_itself_is_wrong_in_the_schema() {
    let camera = "[[camera]]\nid = \"door\"\nurl = \"test://\"\n";
    assert_eq!(misfit(camera), None);
    for wrong in [
        "node = \"box\"",
        "[[camera]]\nid = \"door\"",
        "[[camera]]\nid = \"Front Door\"\nurl = \"test://\"",
        "[camera]\nid = \"door\"\nurl = \"test://\"",
        "fps = 3\n[[camera]]\nid = \"door\"\nurl = \"test://\"",
    ] {
        assert!(misfit(wrong).is_some(), "{wrong}");
    }
    for line in [
        "fps = \"5\"",
        "enabled = \"true\"",
        "decode = \"some\"",
        "timeout = 20",
        "timeout = \"20 parsecs\"",
        "masks = [[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]",
        "masks = [[[0, 0], [640, 0], [640, 360]]]",
        "pase = \"fast\"",
        "[camera.gate]\nbudget = \"12\"",
        "[camera.gate]\nsettle = \"2\"",
        "[[camera.rule]]\nid = \"parcel\"",
        "[[camera.rule]]\nid = \"parcel\"\nask = \"Is it?\"\nwhen = \"sometimes\"",
        "[[camera.rule]]\nid = \"parcel\"\nask = \"Is it?\"\nagree = \"most\"",
        "[[camera.rule]]\nid = \"parcel\"\nask = \"Is it?\"\nregion = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]",
    ] {
        let text = format!("{camera}{line}\n");
        assert!(misfit(&text).is_some(), "{text}");
        assert!(Config::parse("x", &text, &environment).is_err(), "{text}");
    }
}
