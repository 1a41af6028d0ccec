"""Live data: what the API has now, by region and interval, into landing objects or Kafka."""
