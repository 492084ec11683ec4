//! The page's modules as one script, so that they come in one answer and not in a dozen.
//!
//! They are modules as any browser knows them, and stay readable as such. Here each becomes a function:
//! a line that imports takes from what the modules before it gave, and what it exports is what it gives.
//! Only the forms that the page uses are known; a test holds the page to them.

/// In an order in which each imports only from those before it.
static MODULES: [(&str, &str); 13] = [
    ("dom", include_str!("page/dom.js")),
    ("words", include_str!("page/words.js")),
    ("again", include_str!("page/again.js")),
    ("api", include_str!("page/api.js")),
    ("chart", include_str!("page/chart.js")),
    ("payload", include_str!("page/payload.js")),
    ("messages", include_str!("page/messages.js")),
    ("talk", include_str!("page/talk.js")),
    ("figures", include_str!("page/figures.js")),
    ("clients", include_str!("page/clients.js")),
    ("topics", include_str!("page/topics.js")),
    ("inside", include_str!("page/inside.js")),
    ("main", include_str!("page/main.js")),
];

/// What runs in the page.
pub(super) fn script() -> String {
    let mut script = String::from("\"use strict\";\nconst given = {};\n");
    for (name, text) in MODULES {
        push_module(&mut script, name, text);
    }
    script
}

fn push_module(script: &mut String, name: &str, text: &str) {
    script.push_str(&format!("given[\"/{name}.js\"] = (() => {{\n"));
    let mut exported = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("import "), line.strip_prefix("export ")) {
            (Some(import), _) => script.push_str(&taken(import)),
            (_, Some(declaration)) => {
                exported.push(declared(declaration));
                script.push_str(declaration);
            }
            _ => script.push_str(line),
        }
        script.push('\n');
    }
    script.push_str(&format!("return {{ {} }};\n}})();\n", exported.join(", ")));
}

/// `{ ask } from "/api.js";`
fn taken(import: &str) -> String {
    let (names, from) = import.split_once(" from ").expect("an import of one line");
    format!("const {names} = given[{}];", from.trim_end_matches(';'))
}

/// The name in `async function ask(path) {`.
fn declared(declaration: &str) -> &str {
    let mut words =
        declaration.split(|character: char| !character.is_alphanumeric() && !"$_".contains(character));
    let kinds = ["async", "class", "const", "function"];
    words.find(|word| !kinds.contains(word)).expect("a declaration has a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_become_functions() {
        let mut script = String::new();
        let text = "import { $, el } from \"/dom.js\";\n\nexport const $1 = 1;\nexport async function ask(path) {\n}";
        push_module(&mut script, "api", text);
        let expected = "given[\"/api.js\"] = (() => {\nconst { $, el } = given[\"/dom.js\"];\n\nconst $1 = 1;\n\
                        async function ask(path) {\n}\nreturn { $1, ask };\n})();\n";
        assert_eq!(script, expected);
    }

    #[test]
    fn each_imports_what_those_before_it_export() {
        let mut known: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, text) in MODULES {
            for import in text.lines().filter_map(|line| line.strip_prefix("import ")) {
                let (names, from) = import.split_once(" from \"/").unwrap();
                let from = from.strip_suffix(".js\";").unwrap();
                let (_, exported) = known.iter().find(|(module, _)| *module == from).expect(import);
                let names = names.strip_prefix("{ ").unwrap().strip_suffix(" }").unwrap();
                assert!(names.split(", ").all(|name| exported.contains(&name)), "{name}: {import}");
            }
            let exports = text.lines().filter_map(|line| line.strip_prefix("export "));
            known.push((name, exports.map(declared).collect()));
        }
    }
}
