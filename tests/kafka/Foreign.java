import com.github.luben.zstd.ZstdOutputStream;
import java.io.*;
import java.util.*;
import java.util.zip.*;
import net.jpountz.lz4.LZ4FrameOutputStream;
import net.jpountz.lz4.LZ4FrameOutputStream.BLOCKSIZE;
import net.jpountz.lz4.LZ4FrameOutputStream.FLG;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;
import org.xerial.snappy.*;

/** Kafka's own Java client, as the foreign producer of the tests: `Foreign BOOTSTRAP COMMAND ARGUMENTS`. */
public class Foreign {
  static String bootstrap;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    switch (args[1]) {
      case "compressed" -> compressed(args[2]);
      case "transactions" -> transactions(args[2]);
      case "held" -> held(args[2]);
      case "tombstones" -> tombstones(args[2]);
      case "huge" -> huge(args[2], Integer.parseInt(args[3]));
      case "steady" -> steady(args[2], Integer.parseInt(args[3]));
      case "frames" -> frames(Long.parseLong(args[2]), Integer.parseInt(args[3]));
      case "scram" -> scram(args[2], args[3]);
      default -> throw new IllegalArgumentException(args[1]);
    }
  }

  static KafkaProducer<String, String> producer(String... settings) {
    Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "linger.ms", "50"));
    for (int i = 0; i < settings.length; i += 2) config.put(settings[i], settings[i + 1]);
    return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
  }

  static ProducerRecord<String, String> record(String topic, String value) {
    ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, "key", value);
    record.headers().add("trace", new byte[] {1, 2, 3});
    return record;
  }

  /** Prints the CRC-32 of all values in order; some compress well, some not at all. */
  static void compressed(String topic) {
    Random random = new Random(7);
    CRC32 crc = new CRC32();
    for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      try (var producer = producer("compression.type", codec, "batch.size", "200000")) {
        for (int i = 0; i < 1000; i++) {
          StringBuilder value = new StringBuilder(codec + "-" + i + "-äöü-");
          for (int k = 0; k < 300; k++) value.append(i % 2 == 0 ? 'x' : (char) (33 + random.nextInt(90)));
          crc.update(value.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
          producer.send(record(topic, value.toString()));
        }
      }
    }
    System.out.println(crc.getValue());
  }

  /** Prints lines of codec, what it made of random bytes with random settings, their length and their CRC-32. */
  static void frames(long seed, int count) throws Exception {
    Random random = new Random(seed);
    PrintStream lines = new PrintStream(new BufferedOutputStream(System.out, 1 << 20));
    for (int i = 0; i < count; i++) {
      int codec = 1 + random.nextInt(4);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      CRC32 crc = new CRC32();
      int length = 0;
      boolean isBare = codec == 2 && random.nextBoolean();
      for (int streams = isBare ? 1 : 1 + random.nextInt(3); streams > 0; streams--) {
        byte[] plain = new byte[random.nextInt(4) == 0 ? random.nextInt(300_000) : random.nextInt(2_000)];
        int letters = 1 + random.nextInt(255);
        for (int k = 0; k < plain.length; k++) plain[k] = (byte) (k % 7 == 0 ? random.nextInt(letters) : k / 50);
        crc.update(plain);
        length += plain.length;
        if (codec > 2 && random.nextInt(3) == 0) out.write(new byte[] {(byte) (0x50 + random.nextInt(16)), 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9});
        if (isBare) out.write(Snappy.compress(plain));
        else compress(codec, plain, out, random);
      }
      lines.println(codec + " " + Base64.getEncoder().encodeToString(out.toByteArray()) + " " + length + " " + crc.getValue());
    }
    lines.flush();
  }

  static void compress(int codec, byte[] plain, OutputStream out, Random random) throws Exception {
    List<FLG.Bits> flags = new ArrayList<>(List.of(FLG.Bits.BLOCK_INDEPENDENCE));
    if (random.nextBoolean()) flags.add(FLG.Bits.BLOCK_CHECKSUM);
    if (random.nextBoolean()) flags.add(FLG.Bits.CONTENT_CHECKSUM);
    boolean isSized = random.nextBoolean();
    if (isSized) flags.add(FLG.Bits.CONTENT_SIZE);
    FLG.Bits[] bits = flags.toArray(new FLG.Bits[0]);
    BLOCKSIZE size = BLOCKSIZE.values()[random.nextInt(4)];
    try (OutputStream stream = switch (codec) {
      case 1 -> new GZIPOutputStream(out, 512, true);
      case 2 -> new SnappyOutputStream(out, 1024 + random.nextInt(100_000));
      case 3 -> isSized ? new LZ4FrameOutputStream(out, size, plain.length, bits) : new LZ4FrameOutputStream(out, size, bits);
      default -> new ZstdOutputStream(out, 1 + random.nextInt(12)).setChecksum(random.nextBoolean());
    }) {
      for (int at = 0; at < plain.length;) {
        int part = Math.min(plain.length - at, 1 + random.nextInt(100_000));
        stream.write(plain, at, part);
        if (random.nextInt(3) == 0) stream.flush();
        at += part;
      }
    }
  }

  /** Committed and aborted transactions, also at the same time; the last one is aborted. */
  static void transactions(String topic) {
    try (var a = producer("transactional.id", topic + "-a"); var b = producer("transactional.id", topic + "-b")) {
      a.initTransactions();
      b.initTransactions();
      for (int round = 0; round < 5; round++) {
        a.beginTransaction();
        b.beginTransaction();
        for (int i = 0; i < 100; i++) {
          a.send(record(topic, "aborted-a-" + round + "-" + i));
          if (i % 25 == 0) a.flush();
          b.send(record(topic, "kept-b-" + round + "-" + i));
          if (i % 30 == 0) b.flush();
        }
        a.flush();
        if (round % 2 == 0) { b.commitTransaction(); a.abortTransaction(); }
        else { a.abortTransaction(); b.commitTransaction(); }
        a.beginTransaction();
        a.send(record(topic, "kept-a-" + round));
        a.commitTransaction();
      }
      a.beginTransaction();
      a.send(record(topic, "aborted-last"));
      a.flush();
      a.abortTransaction();
    }
  }

  /** Writes in a transaction, says so, and commits when a line comes in. */
  static void held(String topic) {
    try (var producer = producer("transactional.id", topic)) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.send(record(topic, "held"));
      producer.flush();
      System.out.println("written");
      new Scanner(System.in).nextLine();
      producer.commitTransaction();
    }
  }

  static void tombstones(String topic) {
    try (var producer = producer()) {
      for (int i = 0; i < 9; i++) producer.send(record(topic, i % 3 == 0 ? null : i % 3 == 1 ? "" : "v" + i));
    }
  }

  /** So many messages in one record batch that a decoder that spreads them as arguments overflows. */
  static void huge(String topic, int count) {
    try (var producer = producer("compression.type", "gzip", "batch.size", "60000000", "linger.ms", "60000",
        "buffer.memory", "120000000", "max.request.size", "60000000")) {
      for (int i = 0; i < count; i++) producer.send(new ProducerRecord<>(topic, 0, null, "" + i));
    }
  }

  /** One message after the other with its number as value, over outages too (idempotent, the default). */
  static void steady(String topic, int count) throws Exception {
    try (var producer = producer("linger.ms", "0", "delivery.timeout.ms", "120000", "request.timeout.ms", "5000",
        "reconnect.backoff.max.ms", "500")) {
      for (int i = 0; i < count; i++) {
        producer.send(new ProducerRecord<>(topic, i % 3, null, "" + i));
        if (i % 1000 == 0) Thread.sleep(20);
      }
    }
    System.out.println("sent");
  }

  static void scram(String user, String password) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
        ScramCredentialInfo info = new ScramCredentialInfo(mechanism, 4096);
        admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, info, password))).all().get();
      }
    }
  }
}
