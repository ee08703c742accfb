package millstream

import java.nio.file.Path
import kotlin.random.Random

private val twoKeys = listOf("0x" + "01".repeat(32), "0x" + "02".repeat(32))

/** Writes two records at once, over and over, and says after each commit how many there were. Ends when it is killed. */
object Writer {
    @JvmStatic
    fun main(args: Array<String>) {
        val store = FileStore(Path.of(args.single()))
        while (true) {
            val version = store.load(twoKeys).first().version
            val bytes = ByteArray(100_000) { (version + 1uL).toByte() }
            store.commit(twoKeys.map { Write(it, version, bytes, null) })
            println(version + 1uL)
        }
    }
}

/** Commits of several records. */
fun Checks.store(world: World) {
    fun write(key: Bytes32, version: ULong) = Write(key, version, byteArrayOf(1), null)

    test("a commit of two records is stored whole or not at all") {
        FileStore(world.directory.resolve("conflict")).use { store ->
            store.commit(listOf(write(twoKeys[0], 0uL)))
            try {
                store.commit(listOf(write(twoKeys[1], 0uL), write(twoKeys[0], 0uL)))
                throw AssertionError("it was stored")
            } catch (_: StoreException.Conflict) {
            }
            equal(listOf(1uL, 0uL), store.load(twoKeys).map { it.version })
        }
    }

    test("a writer that is killed at any moment leaves both records of its last commit") {
        val directory = world.directory.resolve("killed")
        val java = Path.of(System.getProperty("java.home"), "bin", "java").toString()
        val command = listOf(java, "-cp", System.getProperty("java.class.path"), Writer::class.java.name, "$directory")
        var stored = 0uL
        repeat(6) { round ->
            val said = world.directory.resolve("said $round").toFile()
            val writer = ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said).start()
            while ('\n' !in said.readText()) {
                check(writer.isAlive) { said.readText() }
                Thread.sleep(1)
            }
            Thread.sleep(Random.nextLong(100))
            writer.destroyForcibly().waitFor()
            // The last line may be cut off.
            val last = said.readText().substringBeforeLast('\n').lines().last().toULong()
            FileStore(directory).use { store ->
                val (one, two) = store.load(twoKeys)
                equal(one.version, two.version, "the version of the other record")
                check(one.version in last..last + 1uL) { "said to be stored: $last, stored: ${one.version}" }
                for (record in listOf(one, two)) {
                    check(checkNotNull(record.bytes).all { it == one.version.toByte() }) { "bytes of another commit" }
                }
                check(one.version > stored) { "nothing new" }
                stored = one.version
            }
        }
    }
}
