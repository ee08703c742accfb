//! The ERC-20 token: OpenZeppelin's `ERC20` with a `mint` for everyone (`TestToken`).

use super::Revert;
use super::abi::{Token, decode};
use super::frame::Frame;
use super::revert::{plus, require};
use super::state::Slot;
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;

/// Runs a call to the token.
pub(super) fn call(frame: &mut Frame<'_>, data: &[u8]) -> Result<(), Revert> {
    let Some((selector, arguments)) = data.split_first_chunk::<4>().filter(|_| frame.value.is_zero()) else {
        return Err(Revert::silent());
    };
    let sender = frame.sender;
    match *selector {
        Token::mintCall::SELECTOR => {
            let Token::mintCall { to, amount } = decode(arguments)?;
            mint(frame, to, amount)
        }
        Token::approveCall::SELECTOR => {
            let Token::approveCall { spender, amount } = decode(arguments)?;
            approve(frame, sender, spender, amount)
        }
        Token::transferCall::SELECTOR => {
            let Token::transferCall { to, amount } = decode(arguments)?;
            transfer(frame, sender, to, amount)
        }
        Token::transferFromCall::SELECTOR => {
            let Token::transferFromCall { from, to, amount } = decode(arguments)?;
            transfer_from(frame, sender, from, to, amount)
        }
        _ => Err(Revert::silent()),
    }
}

fn mint(frame: &mut Frame<'_>, to: Address, amount: U256) -> Result<(), Revert> {
    require(to != Address::ZERO, "ERC20: mint to the zero address")?;
    let supply = plus(frame.state.get(Slot::TokenSupply), amount)?;
    frame.state.set(Slot::TokenSupply, supply);
    credit(frame, to, amount);
    emit_transfer(frame, Address::ZERO, to, amount);
    Ok(())
}

fn approve(frame: &mut Frame<'_>, owner: Address, spender: Address, value: U256) -> Result<(), Revert> {
    require(spender != Address::ZERO, "ERC20: approve to the zero address")?;
    frame.state.set(Slot::Allowance(owner, spender), value);
    frame.emit(frame.contracts.token, &Token::Approval { owner, spender, value });
    Ok(())
}

/// `transfer` called by `from`.
pub(super) fn transfer(frame: &mut Frame<'_>, from: Address, to: Address, amount: U256) -> Result<(), Revert> {
    require(to != Address::ZERO, "ERC20: transfer to the zero address")?;
    let held = frame.state.get(Slot::TokenBalance(from));
    let Some(left) = held.checked_sub(amount) else {
        return Err(Revert::because("ERC20: transfer amount exceeds balance"));
    };
    frame.state.set(Slot::TokenBalance(from), left);
    credit(frame, to, amount);
    emit_transfer(frame, from, to, amount);
    Ok(())
}

/// `transferFrom` called by `spender`.
pub(super) fn transfer_from(
    frame: &mut Frame<'_>,
    spender: Address,
    from: Address,
    to: Address,
    amount: U256,
) -> Result<(), Revert> {
    let allowed = frame.state.get(Slot::Allowance(from, spender));
    // The greatest allowance is never used up.
    if allowed != U256::MAX {
        let Some(left) = allowed.checked_sub(amount) else {
            return Err(Revert::because("ERC20: insufficient allowance"));
        };
        // `_approve` checks both ends; the spender is whoever calls and never zero.
        require(from != Address::ZERO, "ERC20: approve from the zero address")?;
        approve(frame, from, spender, left)?;
    }
    transfer(frame, from, to, amount)
}

/// All balances together are the supply, which was checked when it grew.
fn credit(frame: &mut Frame<'_>, to: Address, amount: U256) {
    let held = frame.state.get(Slot::TokenBalance(to));
    frame.state.set(Slot::TokenBalance(to), held.wrapping_add(amount));
}

fn emit_transfer(frame: &mut Frame<'_>, from: Address, to: Address, value: U256) {
    frame.emit(frame.contracts.token, &Token::Transfer { from, to, value });
}
