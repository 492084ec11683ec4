//! Chromium without a screen, told what to do over WebDriver.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

use super::{DEADLINE, eventually};

/// What is needed and how to get it, for whoever has it not.
const MISSING: &str = "the live page is tested in Chromium: install the packages chromium and chromium-driver \
                       (elsewhere: chromium or chrome, and chromedriver)";

/// One at a time: several browsers on a small machine make each other late.
static ALONE: Mutex<()> = Mutex::new(());

/// A browser with one tab; ended when dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    _alone: MutexGuard<'static, ()>,
}

/// A tab.
#[derive(Debug, Clone)]
pub(crate) struct Tab(String);

/// Keys as WebDriver names them.
pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";
pub(crate) const CTRL: &str = "\u{E009}";
pub(crate) const ESCAPE: &str = "\u{E00C}";
pub(crate) const ARROW_RIGHT: &str = "\u{E014}";

impl Browser {
    pub(crate) fn start() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = match command.spawn() {
            Ok(driver) => driver,
            Err(error) => panic!("no chromedriver ({error}): {MISSING}"),
        };
        let mut said = BufReader::new(driver.stdout.take().expect("a pipe")).lines();
        let port = said.find_map(|line| {
            let line = line.expect("text");
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver tells its port");
        // What else it says must not fill the pipe.
        thread::spawn(move || said.for_each(drop));
        let config = ureq::Agent::config_builder().timeout_global(Some(DEADLINE)).http_status_as_error(false);
        let mut browser = Self {
            driver,
            agent: config.build().into(),
            session: format!("http://127.0.0.1:{port}/session"),
            _alone: alone,
        };
        let asked = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": { "args": ARGUMENTS },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = match browser.try_ask("", &asked) {
            Ok(session) => session,
            Err(error) => panic!("Chromium does not start ({error}): {MISSING}"),
        };
        browser.session += &format!("/{}", session["sessionId"].as_str().expect("an id"));
        browser
    }

    /// Opens a page and waits until it is there.
    #[track_caller]
    pub(crate) fn visit(&self, url: &str) {
        self.ask("/url", &json!({ "url": url }));
    }

    /// The tab that is looked at.
    pub(crate) fn tab(&self) -> Tab {
        Tab(self.get("/window").as_str().expect("a handle").to_owned())
    }

    /// Opens another one and looks at it.
    pub(crate) fn new_tab(&self) -> Tab {
        let tab = self.ask("/window/new", &json!({ "type": "tab" }));
        let tab = Tab(tab["handle"].as_str().expect("a handle").to_owned());
        self.look_at(&tab);
        tab
    }

    pub(crate) fn look_at(&self, tab: &Tab) {
        self.ask("/window", &json!({ "handle": tab.0 }));
    }

    /// What a script returns in the page.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub(crate) fn wait_until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        eventually(expression, || (self.run(&script) == json!(true)).then_some(()));
    }

    /// Waits until something that a selector finds, and that is not hidden, holds the text `part`.
    #[track_caller]
    pub(crate) fn wait_for(&self, selector: &str, part: &str) {
        self.wait_until(&format!(
            "[...document.querySelectorAll({})].some((node) => node.checkVisibility() && \
             node.textContent.includes({}))",
            json!(selector),
            json!(part),
        ));
    }

    /// Clicks with the mouse.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let element = self.ask("/element", &json!({ "using": "css selector", "value": selector }));
        self.ask(&format!("/element/{}/click", element_id(&element)), &json!({}));
    }

    /// Presses keys where the focus is. Modifiers are released behind them.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        let element = self.get("/element/active");
        self.ask(&format!("/element/{}/value", element_id(&element)), &json!({ "text": keys }));
    }

    /// A command of the DevTools protocol.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Pretends to be a screen of this size.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the console was told since it was asked last: errors and warnings, those against the page's
    /// security policy among them.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.ask("/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("a list").iter();
        let bad = entries.filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[track_caller]
    fn ask(&self, command: &str, body: &Value) -> Value {
        match self.try_ask(command, body) {
            Ok(value) => value,
            Err(error) => panic!("{command} {body}: {error}"),
        }
    }

    fn try_ask(&self, command: &str, body: &Value) -> Result<Value, String> {
        let request = self.agent.post(format!("{}{command}", self.session));
        answer(request.header("content-type", "application/json").send(body.to_string()))
    }

    #[track_caller]
    fn get(&self, command: &str) -> Value {
        match answer(self.agent.get(format!("{}{command}", self.session)).call()) {
            Ok(value) => value,
            Err(error) => panic!("{command}: {error}"),
        }
    }
}

/// Everything it needs where there is neither screen nor network, and where tests run as root. It makes
/// itself a directory for what it remembers, and removes it.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

type Response = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn answer(response: Response) -> Result<Value, String> {
    let mut response = response.map_err(|error| error.to_string())?;
    let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    match response.status().is_success() {
        true => Ok(answer["value"].take()),
        false => Err(answer["value"]["message"].to_string()),
    }
}

/// The only value of the object that stands for an element.
fn element_id(element: &Value) -> &str {
    let id = element.as_object().and_then(|object| object.values().next());
    id.and_then(Value::as_str).expect("an element")
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Takes Chromium along; the test has told by now whether it passed.
        drop(self.agent.delete(&self.session).call());
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
