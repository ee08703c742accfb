// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.17;

import {ECDSA} from '@openzeppelin/contracts/utils/cryptography/ECDSA.sol';
import {EIP712} from '@openzeppelin/contracts/utils/cryptography/EIP712.sol';
import {ExitFormat as Outcome} from '@statechannels/exit-format/contracts/ExitFormat.sol';
import {IForceMoveApp} from '@statechannels/nitro-protocol/contracts/interfaces/IForceMoveApp.sol';

/**
 * @title StreamApp
 * @notice The rules of a payment stream: which states of a Nitro channel from a payer (`participants[0]`) to a payee
 * (the last participant) the adjudicator may accept. Participants between the two are hubs.
 * @dev Two kinds of state are supported:
 *
 * - a state signed by every participant, at any turn, with an empty proof;
 * - a redemption: signed by the payee alone, proved by one base (a state signed by every participant), carrying in
 *   `appData` an ABI-encoded {Claim}. Its outcome is that of the base with the claimed amount moved from the second
 *   allocation (the payer's) to the first (the payee's), and its turn is
 *   `baseTurn + (serial << 8) + ticks`, so that a better claim always answers a worse one.
 *
 * The payee's allocation comes first because the adjudicator pays allocations in order out of what it holds: what the
 * payee is owed is covered by what is there, even where a state promises the payer a deposit that is still to come.
 *
 * A redemption needs the payee's signature because turns order claims by serial, not by amount: a payer could sign a
 * higher serial over a lower amount at any time, and nothing that the payee holds would answer it.
 *
 * The contract holds no funds and no state. Everything that is not supported reverts with an error of its own, in
 * the order in which the errors are declared; arithmetic that leaves its type and malformed encodings revert with the
 * compiler's own panic or with no data. Signatures on states are recovered by the adjudicator: `signedBy` is only
 * meaningful in a call that comes from it.
 *
 * All amounts are in base units of the one asset that the channel holds (wei for the native asset).
 */
contract StreamApp is IForceMoveApp, EIP712 {
    // A promise of the payer, signed as EIP-712 typed data (domain: name "Millstream", version "1", this chain, this
    // contract). One voucher is worth `cumulativeAmount`, and `tickPrice` more for each revealed tick.
    struct Voucher {
        // the channel it draws on: Nitro's channel id
        bytes32 channelId;
        // turn of the base it stands on
        uint48 baseTurn;
        // 1, 2, 3 ... on this base; the payer never signs one serial twice with other content
        uint32 serial;
        // owed on top of the base outcome when no tick is shown, in base units
        uint128 cumulativeAmount;
        // keccak256 applied `tickLimit` times to the payer's seed for this voucher; zero if there are no ticks
        bytes32 tickTip;
        // owed for each tick, in base units
        uint128 tickPrice;
        // greatest number of ticks, 0..255
        uint8 tickLimit;
        // what it pays for: the hash of the payee's quote, or zero. Signed, not interpreted here
        bytes32 memo;
    }

    // What the payee puts into the `appData` of a redemption.
    struct Claim {
        Voucher voucher;
        // the payer's signature over {voucherDigest}: v is 27 or 28, s is in the lower half of the curve's order
        Signature signature;
        // number of ticks claimed
        uint8 ticks;
        // hashes `ticks` times to `tickTip`; equal to `tickTip` when no tick is claimed
        bytes32 preimage;
    }

    /// @notice EIP-712 type hash of {Voucher}.
    bytes32 public constant VOUCHER_TYPEHASH =
        keccak256(
            'Voucher(bytes32 channelId,uint48 baseTurn,uint32 serial,uint128 cumulativeAmount,bytes32 tickTip,uint128 tickPrice,uint8 tickLimit,bytes32 memo)'
        );

    // Positions in an outcome; among the participants the payer comes first.
    uint256 private constant PAYEE = 0;
    uint256 private constant PAYER = 1;

    /// @notice There is no proof, and the candidate is not signed by every participant.
    /// @param signedBy the candidate's signers, bit i for `participants[i]`
    error NotUnanimous(uint256 signedBy);
    /// @notice A redemption is proved by exactly one state, its base.
    /// @param length number of states in the proof
    error BadProofLength(uint256 length);
    /// @notice The base is not signed by every participant.
    /// @param signedBy the base's signers, bit i for `participants[i]`
    error BaseNotUnanimous(uint256 signedBy);
    /// @notice The base is the prefund state (turn 0), signed before the channel was funded.
    error BaseIsPrefund();
    /// @notice The base is a final state: nothing can follow it.
    error BaseIsFinal();
    /// @notice The redemption is not signed by the payee.
    /// @param signedBy the redemption's signers, bit i for `participants[i]`
    error NotSignedByPayee(uint256 signedBy);
    /// @notice A redemption cannot be final: the payer may still answer it.
    error RedemptionIsFinal();
    /// @notice The voucher draws on another channel.
    /// @param expected id of this channel
    /// @param actual the voucher's channel id
    error WrongChannel(bytes32 expected, bytes32 actual);
    /// @notice The voucher stands on another base.
    /// @param expected turn of the base in the proof
    /// @param actual the voucher's base turn
    error WrongBaseTurn(uint48 expected, uint48 actual);
    /// @notice Serials begin at 1: with serial 0 a redemption could take the turn of its own base.
    error ZeroSerial();
    /// @notice More ticks are claimed than the voucher grants.
    /// @param ticks number of ticks claimed
    /// @param tickLimit number of ticks granted
    error TooManyTicks(uint8 ticks, uint8 tickLimit);
    /// @notice The preimage does not hash to the voucher's tip in the claimed number of ticks.
    error WrongPreimage();
    /// @notice The redemption's turn is not `baseTurn + (serial << 8) + ticks`.
    /// @param expected the turn that the claim demands; may exceed what a turn can hold
    /// @param actual turn of the redemption
    error WrongTurn(uint256 expected, uint48 actual);
    /// @notice The voucher's signature is not a canonical secp256k1 signature.
    error InvalidVoucherSignature();
    /// @notice The voucher is not signed by the payer over these fields, for this chain and this contract.
    /// @param expected the payer, `participants[0]`
    /// @param actual the recovered signer
    error WrongVoucherSigner(address expected, address actual);
    /// @notice Base and redemption must each allocate one asset to exactly two destinations.
    error OutcomeShape();
    /// @notice The asset or its metadata differs from the base's, or the asset is neither native nor an ERC-20.
    error AssetChanged();
    /// @notice A destination, allocation type or metadata differs from the base's.
    /// @param index index of the allocation, 0 for the payee's and 1 for the payer's
    error AllocationChanged(uint256 index);
    /// @notice The claim exceeds what the base leaves to the payer.
    /// @param claimed amount of the claim, in base units
    /// @param available the payer's amount in the base, in base units
    error InsufficientBalance(uint256 claimed, uint256 available);
    /// @notice The redemption does not move exactly the claimed amount.
    /// @param expectedPayee what the payee must have, in base units
    /// @param expectedPayer what the payer must keep, in base units
    error WrongAmounts(uint256 expectedPayee, uint256 expectedPayer);

    constructor() EIP712('Millstream', '1') {}

    /**
     * @notice Decides whether `candidate` is a state of the stream. Reverts when it is not.
     * @param fixedPart the channel: payer first, payee last
     * @param proof empty for a state signed by everyone, the base alone for a redemption
     * @param candidate the state to be accepted
     * @return always true
     * @return always empty
     */
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external view override returns (bool, string memory) {
        uint256 participants = fixedPart.participants.length;
        uint256 everyone = type(uint256).max >> (256 - participants);

        if (proof.length == 0) {
            if (candidate.signedBy != everyone) revert NotUnanimous(candidate.signedBy);
            return (true, '');
        }

        if (proof.length > 1) revert BadProofLength(proof.length);
        RecoveredVariablePart calldata base = proof[0];
        if (base.signedBy != everyone) revert BaseNotUnanimous(base.signedBy);
        if (base.variablePart.turnNum == 0) revert BaseIsPrefund();
        if (base.variablePart.isFinal) revert BaseIsFinal();

        if ((candidate.signedBy >> (participants - 1)) & 1 == 0)
            revert NotSignedByPayee(candidate.signedBy);
        if (candidate.variablePart.isFinal) revert RedemptionIsFinal();

        uint256 claimed = _verifyClaim(
            fixedPart,
            base.variablePart.turnNum,
            candidate.variablePart.turnNum,
            abi.decode(candidate.variablePart.appData, (Claim))
        );
        _requireMoved(base.variablePart.outcome, candidate.variablePart.outcome, claimed);
        return (true, '');
    }

    /// @notice EIP-712 domain separator of the vouchers, for this chain and this contract.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @notice EIP-712 digest that the payer signs.
    /// @param voucher the voucher to be signed
    function voucherDigest(Voucher calldata voucher) external view returns (bytes32) {
        return _voucherDigest(voucher);
    }

    /**
     * @dev Checks a claim against its channel, base turn and redemption turn.
     * @return claimed what it is worth, in base units
     */
    function _verifyClaim(
        FixedPart calldata fixedPart,
        uint48 baseTurn,
        uint48 turnNum,
        Claim memory claim
    ) private view returns (uint256 claimed) {
        Voucher memory voucher = claim.voucher;

        bytes32 channelId = keccak256(
            abi.encode(
                fixedPart.participants,
                fixedPart.channelNonce,
                fixedPart.appDefinition,
                fixedPart.challengeDuration
            )
        );
        if (voucher.channelId != channelId) revert WrongChannel(channelId, voucher.channelId);
        if (voucher.baseTurn != baseTurn) revert WrongBaseTurn(baseTurn, voucher.baseTurn);
        if (voucher.serial == 0) revert ZeroSerial();

        if (claim.ticks > voucher.tickLimit) revert TooManyTicks(claim.ticks, voucher.tickLimit);
        if (_hashTimes(claim.preimage, claim.ticks) != voucher.tickTip) revert WrongPreimage();

        uint256 expectedTurn = uint256(baseTurn) + (uint256(voucher.serial) << 8) + claim.ticks;
        if (turnNum != expectedTurn) revert WrongTurn(expectedTurn, turnNum);

        (address signer, ECDSA.RecoverError failure) = ECDSA.tryRecover(
            _voucherDigest(voucher),
            claim.signature.v,
            claim.signature.r,
            claim.signature.s
        );
        if (failure != ECDSA.RecoverError.NoError) revert InvalidVoucherSignature();
        address payer = fixedPart.participants[0];
        if (signer != payer) revert WrongVoucherSigner(payer, signer);

        return uint256(voucher.cumulativeAmount) + uint256(claim.ticks) * voucher.tickPrice;
    }

    /// @dev Requires `next` to be `base` with `claimed` base units moved from payer to payee, and nothing else changed.
    function _requireMoved(
        Outcome.SingleAssetExit[] calldata base,
        Outcome.SingleAssetExit[] calldata next,
        uint256 claimed
    ) private pure {
        if (base.length != 1 || next.length != 1) revert OutcomeShape();
        Outcome.Allocation[] calldata was = base[0].allocations;
        Outcome.Allocation[] calldata becomes = next[0].allocations;
        if (was.length != 2 || becomes.length != 2) revert OutcomeShape();

        if (
            base[0].asset != next[0].asset ||
            base[0].assetMetadata.assetType != Outcome.AssetType.Default ||
            next[0].assetMetadata.assetType != Outcome.AssetType.Default ||
            !_equal(base[0].assetMetadata.metadata, next[0].assetMetadata.metadata)
        ) revert AssetChanged();

        for (uint256 i = 0; i < 2; ++i) {
            if (
                was[i].destination != becomes[i].destination ||
                was[i].allocationType != becomes[i].allocationType ||
                !_equal(was[i].metadata, becomes[i].metadata)
            ) revert AllocationChanged(i);
        }

        uint256 available = was[PAYER].amount;
        if (claimed > available) revert InsufficientBalance(claimed, available);
        uint256 expectedPayee = was[PAYEE].amount + claimed;
        uint256 expectedPayer = available - claimed;
        if (becomes[PAYEE].amount != expectedPayee || becomes[PAYER].amount != expectedPayer)
            revert WrongAmounts(expectedPayee, expectedPayer);
    }

    function _voucherDigest(Voucher memory voucher) private view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, voucher)));
    }

    /**
     * @dev Applies keccak256 to `value` `times` times. In scratch space, because abi.encode would take fresh memory each
     * time; eight to a round, because a loop costs as much as the hash: 8,000 gas less for 255 ticks.
     */
    function _hashTimes(bytes32 value, uint256 times) private pure returns (bytes32 result) {
        assembly ('memory-safe') {
            mstore(0x00, value)
            for {

            } gt(times, 7) {
                times := sub(times, 8)
            } {
                mstore(0x00, keccak256(0x00, 0x20))
                mstore(0x00, keccak256(0x00, 0x20))
                mstore(0x00, keccak256(0x00, 0x20))
                mstore(0x00, keccak256(0x00, 0x20))
                mstore(0x00, keccak256(0x00, 0x20))
                mstore(0x00, keccak256(0x00, 0x20))
                mstore(0x00, keccak256(0x00, 0x20))
                mstore(0x00, keccak256(0x00, 0x20))
            }
            for {

            } times {
                times := sub(times, 1)
            } {
                mstore(0x00, keccak256(0x00, 0x20))
            }
            result := mload(0x00)
        }
    }

    function _equal(bytes calldata a, bytes calldata b) private pure returns (bool) {
        return a.length == b.length && keccak256(a) == keccak256(b);
    }
}
