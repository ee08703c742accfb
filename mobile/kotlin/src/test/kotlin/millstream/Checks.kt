package millstream

import kotlin.system.exitProcess

/** Runs tests one after the other and counts. A test that fails ends the run: the next ones stand on it. */
class Checks {
    private var passed = 0

    fun test(name: String, body: () -> Unit) {
        try {
            body()
        } catch (error: Throwable) {
            println("not ok - $name")
            error.printStackTrace(System.out)
            println("$passed passed, 1 failed")
            exitProcess(1)
        }
        passed += 1
        println("ok - $name")
    }

    fun finish() = println("$passed passed, 0 failed")
}

fun <T> equal(expected: T, actual: T, what: String = "value") {
    if (expected != actual) throw AssertionError("$what: expected $expected, got $actual")
}

/** The code that [body] is refused with. */
fun codeOf(body: () -> Unit): String = try {
    body()
    throw AssertionError("nothing was refused")
} catch (error: MillstreamException.Refused) {
    error.code
}
