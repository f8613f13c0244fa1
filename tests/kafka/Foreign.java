import java.util.*;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

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
