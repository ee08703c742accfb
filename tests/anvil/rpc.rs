//! A node of one's own, and JSON-RPC to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// An anvil process on a free port. It ends with this value.
#[derive(Debug)]
pub(crate) struct Node {
    process: Child,
    url: String,
    agent: ureq::Agent,
}

/// What a node says of a request that it could not carry out.
#[derive(Debug)]
pub(crate) struct RpcError {
    pub(crate) message: String,
    /// Revert data, if a call reverted.
    pub(crate) data: Option<String>,
}

impl Node {
    /// Starts a chain whose first block has this time, in seconds since 1970. Gas is free, and blocks are mined on request.
    pub(crate) fn start(chain_id: u64, time: u64) -> Self {
        // The build script says where it is; without it these tests are skipped by name.
        let Some(binary) = option_env!("ANVIL") else { panic!("anvil is not installed: `npm ci` brings it") };
        let mut process = Command::new(binary)
            .args(["--host", "127.0.0.1", "--port", "0", "--no-mining", "--order", "fifo", "--accounts", "1"])
            .args(["--gas-price", "0", "--block-base-fee-per-gas", "0"])
            .args(["--chain-id", &chain_id.to_string(), "--timestamp", &time.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{binary}: {error}"));
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let mut lines = output.lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix("Listening on ")?.to_owned()));
        let address = address.expect("anvil says where it listens");
        // Read on, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://{address}"), agent: ureq::Agent::new_with_defaults() }
    }

    /// One request.
    pub(crate) fn try_request(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = self.agent.post(&self.url).content_type("application/json").send(request.to_string());
        let mut response = response.unwrap_or_else(|error| panic!("{method}: {error}"));
        let body = response.body_mut().read_to_string().unwrap_or_else(|error| panic!("{method}: {error}"));
        let mut answer: Value = serde_json::from_str(&body).expect("an answer is JSON");
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => Err(RpcError {
                message: error["message"].as_str().unwrap_or_default().to_owned(),
                data: error["data"].as_str().map(str::to_owned),
            }),
        }
    }

    /// One request that a node of one's own carries out.
    pub(crate) fn request(&self, method: &str, params: Value) -> Value {
        self.try_request(method, params).unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
