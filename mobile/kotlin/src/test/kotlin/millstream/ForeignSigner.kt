package millstream

import java.math.BigInteger
import org.bouncycastle.asn1.x9.X9IntegerConverter
import org.bouncycastle.crypto.digests.KeccakDigest
import org.bouncycastle.crypto.digests.SHA256Digest
import org.bouncycastle.crypto.ec.CustomNamedCurves
import org.bouncycastle.crypto.params.ECDomainParameters
import org.bouncycastle.crypto.params.ECPrivateKeyParameters
import org.bouncycastle.crypto.signers.ECDSASigner
import org.bouncycastle.crypto.signers.HMacDSAKCalculator
import org.bouncycastle.math.ec.ECPoint

/** A key that the core never sees: Bouncy Castle signs with it. */
class ForeignSigner(private val secret: BigInteger) : Signer {
    private val curve = CustomNamedCurves.getByName("secp256k1")
    private val point = curve.g.multiply(secret).normalize()

    /** What every signature was for. */
    val purposes = mutableListOf<Purpose>()
    /** Asked before each signature; may throw. */
    var owner: (Purpose) -> Unit = {}

    override fun address(): Address = keccak256(point.getEncoded(false).drop(1).toByteArray()).drop(12).toByteArray().toHex()

    override fun sign(digest: Bytes32, purpose: Purpose): ByteArray {
        owner(purpose)
        purposes += purpose
        val hash = digest.hexToBytes()
        val ecdsa = ECDSASigner(HMacDSAKCalculator(SHA256Digest()))
        ecdsa.init(true, ECPrivateKeyParameters(secret, ECDomainParameters(curve)))
        val (r, s) = ecdsa.generateSignature(hash)
        val lowS = s.min(curve.n - s)
        val parity = (0..1).first { recover(BigInteger(1, hash), r, lowS, it) == point }
        return word(r) + word(lowS) + (27 + parity).toByte()
    }

    /** The public key under which `r` and `s` sign `hash`, if `r` is of a point with this parity. */
    private fun recover(hash: BigInteger, r: BigInteger, s: BigInteger, parity: Int): ECPoint {
        val commitment = curve.curve.decodePoint(byteArrayOf((2 + parity).toByte()) + word(r))
        return commitment.multiply(s).subtract(curve.g.multiply(hash)).multiply(r.modInverse(curve.n)).normalize()
    }

    private fun word(number: BigInteger) = X9IntegerConverter().integerToBytes(number, 32)

    private fun keccak256(bytes: ByteArray) = ByteArray(32).also { hash ->
        KeccakDigest(256).run {
            update(bytes, 0, bytes.size)
            doFinal(hash, 0)
        }
    }
}

/** A channel whose payer's key lives in Kotlin. */
fun Checks.signer(world: World) {
    val signer = ForeignSigner(BigInteger("5e".repeat(32), 16))
    val couple = Couple(world, "signing") { Core.withSigner(it, signer) }
    val (payer, payee) = couple.payer to couple.payee
    var id: Bytes32 = NOTHING

    test("a core with a signer has its address and no secret") {
        equal(signer.address(), payer.core.address())
        // The address of this secret, from another implementation.
        equal(Core(world.config(freshAddress(), ByteArray(32) { 0x5e })).address(), signer.address())
        equal("KEY_ELSEWHERE", codeOf { payer.core.exportSecret() })
        equal("KEY_ELSEWHERE", codeOf { Core.withSigner(world.config(freshAddress(), ByteArray(32) { 1 }), signer) })
    }

    test("a channel is opened and paid on with a key that lives in Kotlin") {
        id = couple.open()
        equal(listOf(Purpose.STATE, Purpose.MESSAGE, Purpose.STATE, Purpose.MESSAGE), signer.purposes.toList())
        repeat(3) { payer.wallet.pay(id, price, Purchase(), now()) }
        equal(3, signer.purposes.count { it == Purpose.VOUCHER })
        equal(price * 3, payee.channel(id).cumulativeAmount)
    }

    test("what the owner declines to sign is given up") {
        signer.owner = { if (it == Purpose.VOUCHER) throw SignerException.Refused("the owner said no") }
        payer.wallet.pay(id, price, Purchase(), now())
        equal(1, payer.events.count { it == Event.SignRefused(id) })
        signer.owner = {}
        equal(price * 3, payer.channel(id).cumulativeAmount)
        payer.wallet.resume(id, now())
        equal(price * 3, payee.channel(id).cumulativeAmount, "after a resume")
        payer.wallet.pay(id, price, Purchase(), now())
        equal(price * 4, payee.channel(id).cumulativeAmount)
        equal(5u, payer.channel(id).serial, "the serial after the one that was given up")
    }

    test("a signer that is out of reach is asked again") {
        signer.owner = { error("unplugged") } // an exception that no signer declares
        payer.wallet.pay(id, price, Purchase(), now())
        equal(listOf("SIGNER_FAILED"), payer.failures.map { it.code })
        signer.owner = {}
        equal("CHANNEL_BUSY", codeOf { payer.wallet.pay(id, price, Purchase(), now()) })
        payer.wallet.resume(id, now())
        equal(price * 5, payee.channel(id).cumulativeAmount)
    }

    test("it closes to the unit") {
        payer.wallet.closeChannel(id, now())
        couple.confirm()
        equal(ChannelStatus.CLOSED, payer.channel(id).status)
        equal(price * 5, world.node.balance(couple.payeeDestination), "the payee's destination")
        equal(deposit - price * 5, world.node.balance(couple.payerDestination), "the payer's destination")
    }
}
