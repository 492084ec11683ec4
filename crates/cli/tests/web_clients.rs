//! Clients of WebSocket that nobody here wrote, with the applications that people write for them; the scripts
//! in `testdata/clients` say what they do.

mod support;

use support::{Server, web_script};

#[track_caller]
fn runs(script: &str, more: &[&str], test: &str) {
    let server = Server::start(2);
    let port = server.port().to_string();
    let Some(mut script) = web_script(script, &[&[&*port], more].concat(), test) else { return };
    let status = script.wait();
    assert!(status.success(), "{more:?}: {}", script.screen());
}

#[test]
fn python_s_websockets_talks_and_is_told_why_it_ends() {
    let server = Server::start(2);
    let test = "python_s_websockets_talks_and_is_told_why_it_ends";
    let args = [&*server.port().to_string()];
    let Some(mut script) = web_script("websocket_application.py", &args, test) else { return };
    script.wait_for("waits for the end");
    assert!(server.terminate().success());
    let status = script.wait();
    assert!(status.success(), "{}", script.screen());
}

#[test]
fn paho_runs_over_websocket() {
    for version in ["3.1.1", "5"] {
        runs("paho_application.py", &[version, "websockets"], "paho_runs_over_websocket");
    }
}

#[test]
fn mqtt_js_runs_over_websocket() {
    for version in ["4", "5"] {
        runs("mqttjs_application.cjs", &[version], "mqtt_js_runs_over_websocket");
    }
}
