//! The document as a page: made here, so that it needs no script.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Where references to schemas begin.
const REFERENCE: &str = "#/components/schemas/";

/// The page of an OpenAPI document.
pub(super) fn of(document: &Json) -> String {
    let mut page = Page { document, html: String::with_capacity(256 * 1024) };
    page.whole();
    page.html
}

struct Page<'d> {
    document: &'d Json,
    html: String,
}

impl Page<'_> {
    fn put(&mut self, html: &str) {
        self.html.push_str(html);
    }

    fn whole(&mut self) {
        let info = &self.document["info"];
        let (title, version) = (text(&info["title"]), text(&info["version"]));
        self.put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        self.put("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        self.put("<link rel=\"stylesheet\" href=\"/docs/style.css\">\n");
        self.put(&format!("<title>{title} {version}</title>\n</head>\n<body>\n<header>\n"));
        self.put(&format!("<h1>{title} {version}</h1>\n{}\n", prose(&info["description"])));
        self.put("<p><a href=\"/openapi.json\">/openapi.json</a> is the same for machines.</p>\n");
        self.contents();
        self.put("</header>\n<main>\n");
        for tag in list(&self.document["tags"]) {
            self.surface(tag);
        }
        self.put("<section id=\"authentication\">\n<h2>authentication</h2>\n");
        for (name, scheme) in members(&self.document["components"]["securitySchemes"]) {
            let described = prose(&scheme["description"]);
            self.put(&format!("<h3 id=\"auth-{0}\">{0}</h3>\n{described}\n", escaped(name)));
        }
        self.put("</section>\n<section id=\"schemas\">\n<h2>schemas</h2>\n");
        for (name, schema) in members(&self.document["components"]["schemas"]) {
            self.schema(name, schema);
        }
        self.put("</section>\n</main>\n</body>\n</html>\n");
    }

    fn contents(&mut self) {
        self.put("<nav>\n<ul>\n");
        let surfaces = list(&self.document["tags"]).iter().map(|tag| text(&tag["name"]));
        let parts = ["authentication", "schemas"].map(str::to_owned);
        for name in surfaces.chain(parts) {
            self.put(&format!("<li><a href=\"#{name}\">{name}</a></li>\n"));
        }
        self.put("</ul>\n</nav>\n");
    }

    fn surface(&mut self, tag: &Json) {
        let name = text(&tag["name"]);
        self.put(&format!("<section id=\"{name}\">\n<h2>{name}</h2>\n"));
        self.put(&prose(&tag["description"]));
        for (path, methods) in members(&self.document["paths"]) {
            for (method, operation) in members(methods) {
                if list(&operation["tags"]).contains(&tag["name"]) {
                    self.operation(path, method, operation);
                }
            }
        }
        self.put("</section>\n");
    }

    fn operation(&mut self, path: &str, method: &str, operation: &Json) {
        let (id, says) = (text(&operation["operationId"]), text(&operation["summary"]));
        let (path, method) = (escaped(path), escaped(method));
        self.put(&format!(
            "<details id=\"{id}\">\n<summary><span class=\"method {method}\">{}</span> \
             <code class=\"path\">{path}</code> <span class=\"says\">{says}</span></summary>\n\
             <div class=\"inside\">\n",
            method.to_uppercase()
        ));
        self.put(&prose(&operation["description"]));
        for (scheme, _) in list(&operation["security"]).iter().flat_map(members) {
            let scheme = escaped(scheme);
            self.put(&format!(
                "<p>Authenticated by <a href=\"#auth-{scheme}\">{scheme}</a>.</p>\n"
            ));
        }
        self.parameters(list(&operation["parameters"]));
        if operation["requestBody"].is_object() {
            self.put("<h3>Body</h3>\n");
            self.put(&prose(&operation["requestBody"]["description"]));
            self.content(&operation["requestBody"]["content"]);
        }
        self.put("<h3>Answers</h3>\n");
        for (status, response) in members(&operation["responses"]) {
            let problem = response["content"].get("application/problem+json").is_some();
            let status = escaped(status);
            if problem {
                let codes = prose(&response["description"]);
                self.put(&format!("<div class=\"codes\"><h4>{status}</h4>{codes}</div>\n"));
            } else {
                self.put(&format!("<h4>{status}</h4>\n{}", prose(&response["description"])));
                self.content(&response["content"]);
            }
        }
        self.put("</div>\n</details>\n");
    }

    fn parameters(&mut self, parameters: &[Json]) {
        if parameters.is_empty() {
            return;
        }
        self.put("<h3>Parameters</h3>\n<table>\n");
        for parameter in parameters {
            let needed = if parameter["required"] == true { "" } else { ", optional" };
            self.put(&format!(
                "<tr><td><code>{}</code></td><td>{}{needed}</td><td>{}</td></tr>\n",
                text(&parameter["name"]),
                text(&parameter["in"]),
                prose(&parameter["description"]),
            ));
        }
        self.put("</table>\n");
    }

    fn content(&mut self, content: &Json) {
        for (content_type, content) in members(content) {
            let kind = kind(&content["schema"]);
            self.put(&format!("<p><code>{}</code>: {kind}</p>\n", escaped(content_type)));
            if let Some(example) = content.get("example") {
                self.json(example);
            }
        }
    }

    fn schema(&mut self, name: &str, schema: &Json) {
        let (name, described) = (escaped(name), prose(&schema["description"]));
        self.put(&format!("<h3 id=\"schema-{name}\">{name}</h3>\n{described}\n"));
        self.json(schema);
    }

    fn json(&mut self, value: &Json) {
        self.put(&format!("<pre>{}</pre>\n", escaped(&format!("{value:#}"))));
    }
}

/// What a schema is, in a few words, with a link to it.
fn kind(schema: &Json) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.strip_prefix(REFERENCE)) {
        let name = escaped(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    match schema["type"].as_str() {
        Some("array") => format!("a list of {}", kind(&schema["items"])),
        Some("string") if schema["format"] == "binary" => "bytes".to_owned(),
        Some("string") => "text".to_owned(),
        _ => "JSON".to_owned(),
    }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Json) -> String {
    escaped(value.as_str().unwrap_or_default())
}

/// A paragraph, with what is between backticks as code.
fn prose(value: &Json) -> String {
    let Some(text) = value.as_str() else { return String::new() };
    let mut html = String::from("<p>");
    for (index, part) in text.split('`').enumerate() {
        let part = escaped(part);
        let written = if index % 2 == 0 {
            write!(html, "{part}")
        } else {
            write!(html, "<code>{part}</code>")
        };
        written.expect("a string takes everything");
    }
    html + "</p>\n"
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whatever_the_document_says_stays_text() {
        let evil = "<script>alert('\"&')</script>`<b>`";
        let document = json!({
            "info": { "title": evil, "version": evil, "description": evil },
            "tags": [{ "name": evil, "description": evil }],
            "paths": { evil: { evil: {
                "tags": [evil], "summary": evil, "operationId": evil, "description": evil,
                "security": [{ evil: [] }],
                "parameters": [{ "name": evil, "in": evil, "description": evil }],
                "requestBody": { "description": evil, "content": { evil: { "schema": { "$ref": format!("{REFERENCE}{evil}") }, "example": evil } } },
                "responses": { evil: { "description": evil, "content": { "application/problem+json": {} } } },
            } } },
            "components": { "schemas": { evil: { "description": evil } }, "securitySchemes": { evil: {} } },
        });
        let page = of(&document);
        assert!(page.contains("&lt;script&gt;"));
        for forbidden in ["<script", "<b>", "alert('"] {
            assert!(!page.contains(forbidden), "{forbidden} in {page}");
        }
    }
}
