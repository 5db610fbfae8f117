//! The functions that `include/nodelock.h` declares, and a program that calls each of them wrongly.

use std::fmt::Write as _;

/// A declaration.
pub struct Function {
    pub name: String,
    returns: String,
    parameters: Vec<Parameter>,
}

struct Parameter {
    of_type: String,
    name: String,
}

impl Parameter {
    fn is_pointer(&self) -> bool {
        self.of_type.contains('*') || self.of_type.ends_with("_fn")
    }

    /// Where an object goes that the function makes: its type.
    fn made(&self) -> Option<&str> {
        let object = self.of_type.strip_suffix("**")?.trim();
        (object.starts_with("nodelock_") && self.name != "error").then_some(object)
    }

    fn is_text(&self) -> bool {
        self.of_type == "const char *"
    }

    /// Whether NULL means something here, or nothing.
    fn may_be_null(&self, function: &Function) -> bool {
        match (&*self.of_type, &*self.name) {
            ("const nodelock_call *" | "const nodelock_details *", _) => function.fails(),
            // A vendor may assign licenses by hand.
            ("const char *", "license_key") => function.name.starts_with("nodelock_client_"),
            ("const char *", "deployment_key") => function.name.starts_with("nodelock_config_"),
            ("nodelock_error **" | "void *" | "nodelock_finalize_fn", _)
            | ("const char *", "tombstones" | "license" | "notice" | "other_terms" | "refusal") => true,
            ("size_t *" | "int32_t *" | "uint32_t *", _) => !function.fails(),
            _ => false,
        }
    }

    /// What is fine to pass.
    fn right(&self) -> String {
        match (&*self.of_type, &*self.name) {
            ("const char *", "terms") => "some.vendor->terms".into(),
            ("const char *", "seat") => "some.seat".into(),
            ("const char *", "root" | "public_key" | "issuer") => "some.vendor->root".into(),
            ("const char *", "license_key") => "some.vendor->license_key".into(),
            ("const char *", "typed") => "some.code".into(),
            ("const char *", "license") => "NULL".into(),
            ("const char *", _) => "\"example\"".into(),
            ("const char *const *", _) => "some.found".into(),
            ("const uint8_t *", _) => "some.data".into(),
            ("void *", _) => "some.vendor".into(),
            (of_type, _) if of_type.ends_with("_fn") => format!("some.{}", of_type.trim_end_matches("_fn")),
            (of_type, _) if of_type.ends_with("**") => format!("&{}", self.name),
            (of_type, _) if of_type.starts_with("const nodelock_") || of_type.starts_with("nodelock_") => {
                let object = of_type.trim_start_matches("const ").trim_end_matches(" *");
                format!("some.{}", object.trim_start_matches("nodelock_"))
            }
            (of_type, _) if of_type.ends_with('*') => format!("&{}", self.name),
            ("uint64_t", "now") => "START".into(),
            ("size_t", "size") => "4".into(),
            ("size_t", "index" | "correction") => "0".into(),
            _ => "1".into(),
        }
    }
}

impl Function {
    fn fails(&self) -> bool {
        self.parameters.last().is_some_and(|last| last.of_type == "nodelock_error **")
    }

    /// How many parameters it has.
    pub fn takes(&self) -> usize {
        self.parameters.len()
    }

    fn frees(&self) -> bool {
        self.name.ends_with("_free")
    }

    /// A call with what is fine to pass, except in one place. Its own block, that frees whatever came of it.
    fn call(&self, wrong: usize, with: &str, expected: &str) -> String {
        let mut block = String::from("    {\n        nodelock_error *error = NULL;\n");
        for parameter in &self.parameters {
            let name = &parameter.name;
            if let Some(object) = parameter.made() {
                let _ = writeln!(block, "        {object} *{name} = ({object} *)&untouched;");
            } else if parameter.of_type.ends_with(" *") && parameter.right() == format!("&{name}") {
                let of_type = parameter.of_type.trim_end_matches(" *");
                let _ = writeln!(block, "        {of_type} {name} = ({of_type})1;");
            }
        }
        let argument = |(at, parameter): (usize, &Parameter)| {
            if at == wrong { with.to_owned() } else { parameter.right() }
        };
        let arguments: Vec<String> = self.parameters.iter().enumerate().map(argument).collect();
        let _ = writeln!(block, "        {} result = {}({});", self.returns, self.name, arguments.join(", "));
        let _ = writeln!(block, "        calls++;\n        if (!({expected}))\n            wrong(__LINE__);");
        for (at, parameter) in self.parameters.iter().enumerate() {
            let name = &parameter.name;
            if let Some(object) = parameter.made().filter(|_| at != wrong) {
                let _ = writeln!(
                    block,
                    "        if (result != NODELOCK_OK && {name} != NULL)\n            wrong(__LINE__);\n        \
                     {object}_free({name});"
                );
            } else if parameter.of_type.starts_with("const") || !parameter.right().starts_with('&') {
                continue;
            } else if parameter.name != "error" {
                let _ = writeln!(block, "        (void){name};");
            }
        }
        block + "        nodelock_error_free(error);\n    }\n"
    }

    /// What a call with NULL in one place must come to.
    fn refusal(&self, at: usize) -> &'static str {
        let parameter = &self.parameters[at];
        match &*self.returns {
            "nodelock_status" if self.fails() => {
                if parameter.may_be_null(self) {
                    "result != NODELOCK_INTERNAL"
                } else {
                    "result == NODELOCK_INVALID_INPUT"
                }
            }
            "nodelock_status" if self.name == "nodelock_license_verdict" => {
                "result == NODELOCK_INVALID_INPUT"
            }
            _ if parameter.may_be_null(self) => "result || !result",
            _ => "!result",
        }
    }
}

/// Every declaration in the header.
pub fn functions(header: &str) -> Vec<Function> {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code += rest;
    let code: String =
        code.lines().filter(|line| !line.starts_with('#')).map(|line| line.to_owned() + "\n").collect();
    code.split(';')
        .filter_map(|statement| statement.split_once("NODELOCK_API"))
        .map(|(_, text)| function(text))
        .collect()
}

fn function(text: &str) -> Function {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("NODELOCK_MUST_USE ", "");
    let (head, parameters) = text.split_once('(').unwrap();
    let Parameter { of_type: returns, name } = parameter(head);
    let parameters = parameters.trim_end_matches(')').split(',').map(str::trim);
    Function { name, returns, parameters: parameters.filter(|text| *text != "void").map(parameter).collect() }
}

fn parameter(text: &str) -> Parameter {
    let text = text.trim();
    let at = text.rfind([' ', '*']).unwrap() + 1;
    Parameter { of_type: text[..at].trim().to_owned(), name: text[at..].to_owned() }
}

/// What is no UTF-8, as C writes it: a lone byte, a lone continuation, an overlong NUL and slash, half a surrogate
/// pair, a cut character, a number beyond the last, and bytes that no text has.
const NO_UTF8: [&str; 8] = [
    "\"\\xff\"",
    "\"\\x80\"",
    "\"\\xc0\\x80\"",
    "\"exam\\xc0\\xaf\" \"ple\"",
    "\"\\xed\\xa0\\x80\"",
    "\"example\\xe2\\x82\"",
    "\"\\xf4\\x90\\x80\\x80\"",
    "\"\\xfe\\xff\"",
];

/// What is UTF-8, and odd.
const ODD_UTF8: [&str; 6] = [
    "\"\"",
    "\" \\t\\r\\n\\x01\\x7f \"",
    "\"\\xe2\\x80\\xae\\xef\\xbb\\xbf\\xe2\\x80\\x8b\"",
    "\"\\xf0\\x9f\\x94\\x91\\xcc\\x81\"",
    "\"../../%s%n%x\"",
    "some.long_text",
];

/// A program that calls every function with NULL for each pointer in turn, and with odd and hostile texts.
pub fn sweep(functions: &[Function]) -> String {
    let mut program = String::from("#include \"sweep.h\"\n\n");
    let (mut expected, mut steps) = (0, String::new());
    for function in functions {
        let mut step = String::new();
        if function.frees() {
            assert!(function.parameters.len() == 1);
            let _ = writeln!(step, "    {}(NULL);\n    calls++;", function.name);
            expected += 1;
        } else if function.returns == "void" {
            assert_eq!(function.parameters.len(), 1, "{}", function.name);
            let _ = writeln!(step, "    {}(NULL);\n    calls++;", function.name);
            expected += 1;
        } else {
            for (at, parameter) in function.parameters.iter().enumerate().filter(|(_, p)| p.is_pointer()) {
                step += &function.call(at, "NULL", function.refusal(at));
                expected += 1;
                if parameter.is_text() {
                    let refused =
                        if function.fails() { "result == NODELOCK_INVALID_INPUT" } else { "!result" };
                    for text in NO_UTF8 {
                        step += &function.call(at, text, refused);
                        expected += 1;
                    }
                    for text in ODD_UTF8 {
                        let any = if function.fails() {
                            "result != NODELOCK_INTERNAL"
                        } else {
                            "result || !result"
                        };
                        step += &function.call(at, text, any);
                        expected += 1;
                    }
                }
            }
        }
        let _ = writeln!(program, "static void call_{}(void)\n{{\n{step}}}\n", function.name);
        let _ = writeln!(steps, "    call_{}();", function.name);
    }
    let _ = writeln!(program, "static void sweep(void)\n{{\n{steps}    CHECK(calls == {expected});\n}}");
    program + "\n#include \"sweep_main.h\"\n"
}
