//! The interfaces of the contracts, written down once more from their Solidity sources, so that the model does not rest
//! on the core's encoders.

#![allow(missing_docs, reason = "the names are those of the Solidity sources")]

use super::Revert;
use alloy_sol_types::abi::AbiDecoderConfig;
use alloy_sol_types::{SolCall, sol};

sol! {
    #[derive(Debug)]
    struct Signature { uint8 v; bytes32 r; bytes32 s; }

    #[derive(Debug)]
    struct FixedPart { address[] participants; uint64 channelNonce; address appDefinition; uint48 challengeDuration; }

    #[derive(Debug)]
    enum AssetType { Default, ERC721, ERC1155, Qualified }

    #[derive(Debug)]
    struct AssetMetadata { AssetType assetType; bytes metadata; }

    #[derive(Debug)]
    struct Allocation { bytes32 destination; uint256 amount; uint8 allocationType; bytes metadata; }

    #[derive(Debug)]
    struct SingleAssetExit { address asset; AssetMetadata assetMetadata; Allocation[] allocations; }

    #[derive(Debug)]
    struct VariablePart { SingleAssetExit[] outcome; bytes appData; uint48 turnNum; bool isFinal; }

    #[derive(Debug)]
    struct SignedVariablePart { VariablePart variablePart; Signature[] sigs; }

    #[derive(Debug)]
    struct Guarantee { bytes32 left; bytes32 right; }

    #[derive(Debug)]
    struct ReclaimArgs {
        bytes32 sourceChannelId;
        bytes32 sourceStateHash;
        bytes sourceOutcomeBytes;
        uint256 sourceAssetIndex;
        uint256 indexOfTargetInSource;
        bytes32 targetStateHash;
        bytes targetOutcomeBytes;
        uint256 targetAssetIndex;
    }

    interface Adjudicator {
        event Deposited(bytes32 indexed destination, address asset, uint256 destinationHoldings);
        event AllocationUpdated(
            bytes32 indexed channelId, uint256 assetIndex, uint256 initialHoldings, uint256 finalHoldings
        );
        event Reclaimed(bytes32 indexed channelId, uint256 assetIndex);
        event ChallengeRegistered(
            bytes32 indexed channelId, uint48 finalizesAt, SignedVariablePart[] proof, SignedVariablePart candidate
        );
        event ChallengeCleared(bytes32 indexed channelId, uint48 newTurnNumRecord);
        event Checkpointed(bytes32 indexed channelId, uint48 newTurnNumRecord);
        event Concluded(bytes32 indexed channelId, uint48 finalizesAt);

        function deposit(address asset, bytes32 channelId, uint256 expectedHeld, uint256 amount) external payable;
        function challenge(
            FixedPart fixedPart,
            SignedVariablePart[] proof,
            SignedVariablePart candidate,
            Signature challengerSig
        ) external;
        function checkpoint(FixedPart fixedPart, SignedVariablePart[] proof, SignedVariablePart candidate) external;
        function conclude(FixedPart fixedPart, SignedVariablePart candidate) external;
        function concludeAndTransferAllAssets(FixedPart fixedPart, SignedVariablePart candidate) external;
        function transferAllAssets(bytes32 channelId, SingleAssetExit[] outcome, bytes32 stateHash) external;
        function transfer(
            uint256 assetIndex, bytes32 fromChannelId, bytes outcomeBytes, bytes32 stateHash, uint256[] indices
        ) external;
        function reclaim(ReclaimArgs reclaimArgs) external;
    }

    interface Token {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);

        function mint(address to, uint256 amount) external;
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
        function transferFrom(address from, address to, uint256 amount) external returns (bool);
    }

    interface StreamApp {
        error NotUnanimous(uint256 signedBy);
        error BadProofLength(uint256 length);
        error BaseNotUnanimous(uint256 signedBy);
        error BaseIsPrefund();
        error BaseIsFinal();
        error NotSignedByPayee(uint256 signedBy);
        error RedemptionIsFinal();
        error WrongChannel(bytes32 expected, bytes32 actual);
        error WrongBaseTurn(uint48 expected, uint48 actual);
        error ZeroSerial();
        error TooManyTicks(uint8 ticks, uint8 tickLimit);
        error WrongPreimage();
        error WrongTurn(uint256 expected, uint48 actual);
        error InvalidVoucherSignature();
        error WrongVoucherSigner(address expected, address actual);
        error OutcomeShape();
        error AssetChanged();
        error AllocationChanged(uint256 index);
        error InsufficientBalance(uint256 claimed, uint256 available);
        error WrongAmounts(uint256 expectedPayee, uint256 expectedPayer);
    }
}

/// Solidity's decoder checks the range of every value, and lets further bytes follow.
pub(super) const DECODER: AbiDecoderConfig = AbiDecoderConfig::new().validate(true);

/// Decodes the arguments of a call. What does not fit reverts without data.
pub(super) fn decode<C: SolCall>(arguments: &[u8]) -> Result<C, Revert> {
    C::abi_decode_raw_with_config(arguments, DECODER).map_err(|_| Revert::silent())
}
