package millstream

import java.math.BigInteger
import java.nio.file.Path

/** What the tests share. */
class World(val node: Node, val chainId: ULong, val adjudicator: Address, val streamApp: Address) {
    /** Who is reached under which channel key. */
    val peers = mutableMapOf<Address, Party>()

    /** Wei that transactions cost, by account. */
    val gas = mutableMapOf<Address, BigInteger>()

    fun config(destination: Address, secret: ByteArray?) = CoreConfig(
        chainId = chainId,
        adjudicator = adjudicator,
        streamApp = streamApp,
        destination = destination,
        secret = secret,
    )
}

/** Seconds since 1970. */
fun now() = (System.currentTimeMillis() / 1_000).toULong()

/** One side of a channel: a wallet, and what it needs of the world. Messages arrive at once, in the middle of the call. */
class Party(
    private val world: World,
    private val account: Address,
    val destination: Address,
    directory: Path,
    secret: ByteArray? = null,
) : Transport, Chain, Listener {
    val store = FlakyStore(FileStore(directory))
    val core = Core(world.config(destination, secret))
    val wallet: Wallet
    val events = mutableListOf<Event>()
    val failures = mutableListOf<HostFailure>()

    /** What was handed over, also if it was then lost. */
    val payments = mutableListOf<Payment>()
    /** The transactions that the wallet asked for. */
    val asked = mutableListOf<TransactionKind>()
    var losePayments = false
    var refuseTransactions = false
    var throwFromListener = false

    init {
        world.peers[core.address()] = this
        wallet = try {
            Wallet(core, store, this, this, this, now())
        } catch (error: MillstreamException) {
            store.files.close()
            throw error
        }
    }

    override fun send(peer: Address, channelId: Bytes32, bytes: ByteArray) = world.peers.getValue(peer).receive(bytes)

    private fun receive(bytes: ByteArray) = wallet.message(bytes, now())

    override fun pay(peer: Address, payment: Payment) {
        payments += payment
        if (!losePayments) world.peers.getValue(peer).wallet.payment(payment.bytes, now())
    }

    override fun submit(channelId: Bytes32, transaction: Transaction) {
        asked += transaction.kind
        if (refuseTransactions) throw HostException.Failed("the owner said no")
        world.gas.merge(account, world.node.send(account, transaction), BigInteger::add)
    }

    override fun event(event: Event) {
        events += event
        check(!throwFromListener) { "a listener with a defect" }
    }

    override fun wakeAt(time: ULong) = Unit

    override fun failed(failure: HostFailure) {
        failures += failure
    }

    fun channel(id: Bytes32) = checkNotNull(core.channel(id)) { "no channel $id" }

    /** Reports the chain to the wallet, from behind what its channels have seen. */
    fun look() {
        val seen = core.channels().minOfOrNull { it.seenBlock ?: 0uL } ?: 0uL
        wallet.chainUpdate(world.node.update(world.adjudicator, seen - minOf(seen, 8uL)), now())
    }

    /** Throws the wallet away as a crash would: nothing is said to it, and only its files remain. */
    fun crash() {
        world.peers.remove(core.address())
        store.files.close()
        wallet.close()
        core.close()
    }
}

/** A store that fails when told to. */
class FlakyStore(val files: FileStore) : Store {
    var failWrites = false
    var failReads = false

    override fun loadAll() = files.loadAll()

    override fun load(keys: List<Bytes32>): List<StoredRecord> {
        if (failReads) throw StoreException.Failed("cannot read")
        return files.load(keys)
    }

    override fun commit(writes: List<Write>) {
        check(!failWrites) { "disk full" } // an exception that no store declares
        files.commit(writes)
    }
}
