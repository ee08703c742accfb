package millstream

import com.google.gson.Gson
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import java.math.BigInteger
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse

/** An Ethereum node over JSON-RPC, with accounts that it signs for. */
class Node(private val url: String) {
    private val client = HttpClient.newHttpClient()

    fun call(method: String, vararg params: Any): JsonElement {
        val body = mapOf("jsonrpc" to "2.0", "id" to 1, "method" to method, "params" to params)
        val request = HttpRequest.newBuilder(URI(url))
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(Gson().toJson(body)))
            .build()
        val answer = JsonParser.parseString(client.send(request, HttpResponse.BodyHandlers.ofString()).body()).asJsonObject
        answer["error"]?.let { throw IllegalStateException("$method: $it") }
        return answer["result"]
    }

    fun balance(account: Address): BigInteger = call("eth_getBalance", account, "latest").quantity()

    fun mine(blocks: Int) {
        call("anvil_mine", "0x%x".format(blocks))
    }

    /** Sends a transaction and returns what it cost in gas, in wei, once it is mined. */
    fun send(from: Address, transaction: Transaction): BigInteger {
        val fields = mapOf(
            "from" to from,
            "to" to transaction.to,
            "value" to "0x${transaction.value.toString(16)}",
            "data" to transaction.data.toHex(),
        )
        val receipt = receipt(call("eth_sendTransaction", fields).asString)
        check(receipt["status"].asString == "0x1") { "transaction ${transaction.kind} reverted" }
        return receipt["gasUsed"].quantity() * receipt["effectiveGasPrice"].quantity()
    }

    private fun receipt(hash: String): JsonObject {
        repeat(1_000) {
            val receipt = call("eth_getTransactionReceipt", hash)
            if (receipt.isJsonObject) return receipt.asJsonObject
            Thread.sleep(5)
        }
        error("transaction $hash is not mined")
    }

    /** The chain from a block on, as wallets want it reported. */
    fun update(adjudicator: Address, fromBlock: ULong): ChainUpdate {
        val head = call("eth_getBlockByNumber", "latest", false).asJsonObject
        val from = minOf(fromBlock, head["number"].number())
        val filter = mapOf(
            "address" to adjudicator,
            "fromBlock" to "0x${from.toString(16)}",
            "toBlock" to head["number"].asString,
        )
        val logs = call("eth_getLogs", filter).asJsonArray.map { it.asJsonObject }.map { log ->
            Log(
                address = log["address"].asString,
                topics = log["topics"].asJsonArray.map { it.asString },
                data = log["data"].asString.hexToBytes(),
                block = log["blockNumber"].number(),
                logIndex = log["logIndex"].number(),
            )
        }
        return ChainUpdate(from, head["number"].number(), head["timestamp"].number(), logs)
    }
}

private fun JsonElement.quantity() = BigInteger(asString.removePrefix("0x"), 16)

private fun JsonElement.number() = asString.removePrefix("0x").toULong(16)

fun ByteArray.toHex() = joinToString("", "0x") { "%02x".format(it) }

fun String.hexToBytes() = removePrefix("0x").chunked(2) { it.toString().toInt(16).toByte() }.toByteArray()
