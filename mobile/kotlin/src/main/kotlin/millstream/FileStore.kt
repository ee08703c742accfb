package millstream

import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.channels.OverlappingFileLockException
import java.nio.file.Files
import java.nio.file.NoSuchFileException
import java.nio.file.Path
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.nio.file.StandardOpenOption.CREATE
import java.nio.file.StandardOpenOption.READ
import java.nio.file.StandardOpenOption.TRUNCATE_EXISTING
import java.nio.file.StandardOpenOption.WRITE

/**
 * A [Store] in one file of [directory], which is made if it is missing and locked until [close].
 *
 * Every commit writes all records anew beside the file, flushes them to the disk and renames them over it, so that a crash
 * at any moment leaves the old records or the new ones, all of them. That is meant for the few channels of one person; a
 * seller with many keeps its records in a database, which can also find those with a `wakeAt`.
 *
 * The constructor throws [StoreException.Failed] if the directory cannot be used, is in use, or holds a damaged file.
 */
class FileStore(private val directory: Path) : Store, AutoCloseable {
    private class Record(val version: ULong, val bytes: ByteArray)

    private val file = directory.resolve("records")
    private val lock: FileChannel
    private var records: Map<Bytes32, Record>

    /** Set while the file is being replaced: if that breaks off, only the disk knows how far it came. */
    private var uncertain = false

    init {
        lock = guarded { takeLock() }
        records = try {
            guarded { read() }
        } catch (error: StoreException) {
            lock.close()
            throw error
        }
    }

    @Synchronized
    override fun loadAll(): List<StoredRecord> = guarded { current().keys.map(::stored) }

    @Synchronized
    override fun load(keys: List<Bytes32>): List<StoredRecord> = guarded {
        current()
        keys.map(::stored)
    }

    @Synchronized
    override fun commit(writes: List<Write>) = guarded {
        val next = current().toMutableMap()
        for (write in writes) {
            val version = next[write.key]?.version ?: 0uL
            if (version != write.expectedVersion)
                throw StoreException.Conflict("record ${write.key} is at version $version, not ${write.expectedVersion}")
            val bytes = write.bytes
            if (bytes == null) next.remove(write.key) else next[write.key] = Record(version + 1uL, bytes)
        }
        uncertain = true
        replace(encode(next))
        records = next
        uncertain = false
    }

    /** Gives the directory back. */
    @Synchronized
    override fun close() = lock.close()

    private fun stored(key: Bytes32): StoredRecord {
        val record = records[key]
        return StoredRecord(key, record?.version ?: 0uL, record?.bytes)
    }

    private fun current(): Map<Bytes32, Record> {
        if (!lock.isOpen) throw IOException("the store was closed")
        if (uncertain) {
            records = read()
            uncertain = false
        }
        return records
    }

    private fun <T> guarded(work: () -> T): T = try {
        work()
    } catch (error: IOException) {
        throw StoreException.Failed("$directory: $error")
    }

    private fun takeLock(): FileChannel {
        Files.createDirectories(directory)
        val channel = FileChannel.open(directory.resolve("lock"), CREATE, WRITE)
        val lock = try {
            channel.tryLock()
        } catch (_: OverlappingFileLockException) {
            null // held by another store of this process
        }
        if (lock == null) {
            channel.close()
            throw IOException("the directory is in use by another store")
        }
        return channel
    }

    private fun replace(content: ByteArray) {
        val fresh = directory.resolve("records.new")
        FileChannel.open(fresh, CREATE, WRITE, TRUNCATE_EXISTING).use { channel ->
            val buffer = ByteBuffer.wrap(content)
            while (buffer.hasRemaining()) channel.write(buffer)
            channel.force(true)
        }
        Files.move(fresh, file, ATOMIC_MOVE, REPLACE_EXISTING)
        // The new name is durable when the directory is. Windows has no such thing, and does it by itself.
        if (!System.getProperty("os.name").startsWith("Windows")) FileChannel.open(directory, READ).use { it.force(true) }
    }

    private fun read(): Map<Bytes32, Record> = try {
        decode(Files.readAllBytes(file))
    } catch (_: NoSuchFileException) {
        emptyMap()
    }

    private fun encode(records: Map<Bytes32, Record>): ByteArray {
        val content = ByteArrayOutputStream()
        DataOutputStream(content).run {
            writeInt(MAGIC)
            writeInt(records.size)
            for ((key, record) in records) {
                writeUTF(key)
                writeLong(record.version.toLong())
                writeInt(record.bytes.size)
                write(record.bytes)
            }
        }
        return content.toByteArray()
    }

    private fun decode(content: ByteArray): Map<Bytes32, Record> = DataInputStream(ByteArrayInputStream(content)).run {
        if (readInt() != MAGIC) throw IOException("not a file of records")
        val records = List(readInt()) { readUTF() to Record(readLong().toULong(), readExactly(readInt())) }
        if (read() != -1) throw IOException("more than the records")
        records.toMap()
    }

    private fun DataInputStream.readExactly(length: Int): ByteArray {
        if (length !in 0..available()) throw IOException("a record of $length bytes")
        return ByteArray(length).also(::readFully)
    }

    private companion object {
        /** "MSR1": Millstream records, first format. */
        const val MAGIC = 0x4d535231
    }
}
