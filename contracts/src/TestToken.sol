// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.17;

import {ERC20} from '@openzeppelin/contracts/token/ERC20/ERC20.sol';

/**
 * @title TestToken
 * @notice An ERC-20 that anyone may mint: for development chains and tests only, worthless by construction.
 * @dev It has 6 decimals, as the common dollar tokens have, so that code which assumes 18 is found out.
 */
contract TestToken is ERC20 {
    constructor() ERC20('Millstream Test Token', 'MTEST') {}

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Creates `amount` base units for `to`.
    /// @param to who receives them
    /// @param amount how many, in base units (10^-6 tokens)
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
